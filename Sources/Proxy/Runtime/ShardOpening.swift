// Opens the shards of a stick table on all cores at once: nobody is served before it is done.

import Balancing
import Linux
import Synchronization
import Wire

/// Adopts what a former process left in each shard's memory, or formats it.
///
/// A shard of a full table takes milliseconds, every record of it is checked; the clients of a balancer that was just
/// killed wait for the last one.
final class ShardOpening: Sendable {
    /// One shard, open.
    struct Opened: Sendable {
        let shard: TableRuntime.Shard
        /// Records that were dropped because their writer died while writing them.
        let torn: UInt64
        let isAdopted: Bool
    }

    /// Threads at most, the calling one included.
    private static let maximumThreads = 8

    private let region: MemoryRegion
    private let settings: StickTable.Settings
    private let count: Int
    private let now: Instant
    private let next = Atomic<Int>(0)
    private let opened: Mutex<[Opened?]>

    init(region: MemoryRegion, settings: StickTable.Settings, count: Int, at now: Instant) {
        self.region = region
        self.settings = settings
        self.count = count
        self.now = now
        opened = Mutex(Array(repeating: nil, count: count))
    }

    /// The shards in their order.
    func run() -> [Opened] {
        var helpers: [Thread] = []
        for number in 1..<max(1, min(LoopCount.cores, Self.maximumThreads, count)) {
            // Without another thread this one does the work.
            guard let helper = try? Thread(name: "adopt \(number)", { [self] in work() }) else { break }
            helpers.append(helper)
        }
        work()
        for helper in helpers { helper.join() }
        return opened.withLock { $0.compactMap(\.self) }
    }

    private func work() {
        while case let index = next.add(1, ordering: .relaxed).oldValue, index < count {
            let shard = open(index)
            opened.withLock { $0[index] = shard }
        }
    }

    private func open(_ index: Int) -> Opened {
        let size = StickTable.bytes(for: settings)
        let part = region.slice(index * size, count: size)
        do {
            let table = try StickTable(adopting: part, settings: settings, at: now)
            let torn = table.counters.torn
            return Opened(shard: TableRuntime.Shard(table), torn: torn, isAdopted: true)
        } catch {
            let table = StickTable(creating: part, settings: settings, at: now)
            return Opened(shard: TableRuntime.Shard(table), torn: 0, isAdopted: false)
        }
    }
}
