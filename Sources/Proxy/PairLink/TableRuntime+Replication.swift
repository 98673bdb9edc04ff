// What replication wants of a stick table in force.

import Balancing
import Configuration
import Replication
import Synchronization

extension TableRuntime: ReplicatedTable {
    var expire: Duration { settings.expire }
    var entries: Int { settings.size }
    var shardCount: Int { shards.count }

    /// A loop that wants the same shard meanwhile waits.
    func withShard(_ index: Int, _ body: (inout StickTable) -> Void) {
        shards[index].open()
        shards[index].table.withLock { body(&$0) }
    }
}
