// A replicated table in the memory of a test, with any number of shards.

import Balancing
import Replication
import Wire

final class MemoryTable: ReplicatedTable {
    private final class Shard {
        var table: StickTable
        init(_ table: consuming StickTable) { self.table = table }
    }

    static let key = StickTable.HashKey(11, 22)
    let name: String
    let hashKey: StickTable.HashKey
    let expire: Duration = .seconds(600)
    let entries: Int
    private var shards: [Shard] = []
    var shardCount: Int { shards.count }

    /// - Parameter entries: in each shard.
    init(
        name: String = "sessions", node: UInt32, shards count: Int, entries: Int, ring: Int? = nil,
        key: StickTable.HashKey = key
    ) {
        self.name = name
        self.entries = entries * count
        hashKey = key
        var settings = StickTable.Settings(entries: entries, expire: expire, node: node, hashKey: key)
        if let ring { settings.ring = ring }
        for _ in 0..<count {
            let region = MemoryRegion.allocate(count: StickTable.bytes(for: settings))
            shards.append(Shard(StickTable(creating: region, settings: settings, at: .zero)))
        }
    }

    func withShard(_ index: Int, _ body: (inout StickTable) -> Void) { body(&shards[index].table) }

    /// Runs `body` on the shard of a key.
    func with<R>(_ key: String, _ body: (inout StickTable, Span<UInt8>, UInt64) -> R) -> R {
        let bytes = Array(key.utf8)
        let span = bytes.span
        let hash = hashKey.hash(span)
        return body(&shards[StickTable.shard(of: hash, count: shardCount)].table, span, hash)
    }

    func learn(_ key: String, _ server: UInt64, at now: Instant) {
        _ = with(key) { $0.learn($1, hash: $2, server: server, at: now) }
    }

    func connect(_ key: String, _ server: UInt64, at now: Instant) {
        _ = with(key) { $0.connect($1, hash: $2, server: server, at: now) }
    }

    func disconnect(_ key: String, at now: Instant) -> Bool { with(key) { $0.disconnect($1, hash: $2, at: now) } }

    func delete(_ key: String, at now: Instant) -> Bool { with(key) { $0.delete($1, hash: $2, at: now) } }

    func lookup(_ key: String, at now: Instant) -> StickTableEntry? {
        with(key) { $0.lookup($1, hash: $2, at: now) }
    }

    /// Every record, tombstones included.
    var contents: [[UInt8]: StickTableValue] {
        var contents: [[UInt8]: StickTableValue] = [:]
        for shard in shards {
            _ = shard.table.records(from: 0, examining: .max / 2) { block in
                var key: [UInt8] = []
                shard.table.appendKey(of: block, to: &key)
                contents[key] = shard.table.value(of: block)
                return true
            }
        }
        return contents
    }

    var digests: [UInt64] {
        var sum = [UInt64](repeating: 0, count: StickTable.buckets)
        for shard in shards {
            for bucket in sum.indices { sum[bucket] ^= shard.table.digests[bucket] }
        }
        return sum
    }
}
