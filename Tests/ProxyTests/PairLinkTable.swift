// A stick table of a test: shards in memory of their own.

import Balancing
import Linux
import Replication
import Wire

/// What replication wants of a table, for one thread.
final class PairLinkTable: ReplicatedTable {
    private final class Shard {
        var table: StickTable
        init(_ table: consuming StickTable) { self.table = table }
    }

    let name: String
    let hashKey: StickTable.HashKey
    let expire: Duration = .seconds(3600)
    let entries: Int
    private let shards: [Shard]

    init(
        _ name: String = "sessions", node: String, entries: Int = 1_000,
        hashKey: StickTable.HashKey = StickTable.HashKey(1, 2)
    ) {
        self.name = name
        self.entries = entries
        self.hashKey = hashKey
        let count = 4
        let settings = StickTable.Settings(
            entries: max(1, entries / count + entries / 16), expire: expire, node: PeerSession.identity(of: node),
            hashKey: hashKey)
        shards = (0..<count).map { _ in
            let region = MemoryRegion.allocate(count: StickTable.bytes(for: settings))
            return Shard(StickTable(creating: region, settings: settings, at: Clock.now))
        }
    }

    var shardCount: Int { shards.count }

    func withShard(_ index: Int, _ body: (inout StickTable) -> Void) { body(&shards[index].table) }

    /// Live entries.
    var count: Int { shards.reduce(0) { $0 + $1.table.count } }

    func learn(_ client: String, server: UInt64) {
        let key = Array(client.utf8)
        let hash = hashKey.hash(key.span)
        _ = shards[StickTable.shard(of: hash, count: shards.count)].table.learn(
            key.span, hash: hash, server: server, at: Clock.now)
    }

    func server(of client: String) -> UInt64? {
        let key = Array(client.utf8)
        let hash = hashKey.hash(key.span)
        return shards[StickTable.shard(of: hash, count: shards.count)].table.lookup(
            key.span, hash: hash, at: Clock.now)?.server
    }
}
