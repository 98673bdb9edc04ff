// Opens the shards of a stick table: on all cores at once, or in the background while clients are served already.

import Linux
import Synchronization
import Wire

/// Opens what is not open yet of the shards of tables.
///
/// A shard of a full table takes milliseconds, every record of it is checked. A table without a past is made before anybody is served; the
/// clients of a balancer that was just killed do not wait for a table: who needs a shard opens it (``TableRuntime/Shard/open()``), and
/// all others are opened meanwhile.
final class ShardOpening: Sendable {
    /// Threads at most, the calling one included.
    private static let maximumThreads = 8
    /// How long the one thread in the background rests after each shard: those that serve come first.
    private static let rest: Duration = .milliseconds(1)

    private let shards: [TableRuntime.Shard]
    private let next = Atomic<Int>(0)

    init(_ shards: [TableRuntime.Shard]) { self.shards = shards }

    /// Returns when all are open.
    func run() {
        var helpers: [Thread] = []
        for number in 1..<max(1, min(LoopCount.cores, Self.maximumThreads, shards.count)) {
            // Without another thread this one does the work.
            guard let helper = try? Thread(name: "adopt \(number)", { [self] in work() }) else { break }
            helpers.append(helper)
        }
        work()
        for helper in helpers { helper.join() }
    }

    /// Opens them one after another on a thread of its own.
    ///
    /// - Parameter done: called when all are open, on that thread.
    func runInBackground(_ done: @escaping @Sendable () -> Void) {
        do throws(Errno) {
            _ = try Thread(name: "adopt") { [self] in
                for shard in shards where !shard.isOpen {
                    shard.open()
                    ProcessSelf.pause(Self.rest)
                }
                done()
            }
        } catch {
            // Without another thread this one does the work.
            work()
            done()
        }
    }

    private func work() {
        while case let index = next.add(1, ordering: .relaxed).oldValue, index < shards.count { shards[index].open() }
    }
}
