// The seam between a peer session and the stick tables that threads share.

package import Balancing

/// A stick table made of shards, each behind whatever makes it safe to touch.
package protocol ReplicatedTable: AnyObject {
    /// The same on both hosts; 1 … 255 bytes of UTF-8.
    var name: String { get }
    /// The same on both hosts.
    var hashKey: StickTable.HashKey { get }
    /// How long an entry lives after its client went.
    var expire: Duration { get }
    /// Most live entries over all shards.
    var entries: Int { get }
    /// At least 1; need not be the same on both hosts.
    var shardCount: Int { get }
    /// Runs `body` with sole access to shard `index`; bodies are short (docs/replication.md, 8).
    func withShard(_ index: Int, _ body: (inout StickTable) -> Void)
}
