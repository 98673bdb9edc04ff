// The huge pages under a stick table.

import Linux
import Wire

/// Gathers the memory of a stick table into huge pages as it fills: what is empty takes none.
///
/// One at a time and seldom, because a loop that touches the same memory meanwhile waits for it, a millisecond or so.
struct TablePages {
    /// How much of a huge page's range has to be in use, in bytes.
    static let worth = HugePages.size * 3 / 4
    /// How long to wait after the kernel had no huge page, or needed longer than ``patience`` to make one.
    static let rest: Duration = .seconds(60)
    static let patience: Duration = .milliseconds(20)

    private let region: MemoryRegion
    private let shardBytes: Int
    private var isGathered: [Bool]
    private var restsUntil = Instant.zero
    /// The kernel cannot do it at all.
    private var isImpossible = false
    /// Huge pages so far, and how often the kernel refused one.
    private(set) var gathered = 0
    private(set) var refused = 0

    /// - Parameter shardBytes: bytes of each shard; they lie one behind the other in the region.
    init(_ region: MemoryRegion, shardBytes: Int) {
        self.region = region
        self.shardBytes = shardBytes
        isGathered = Array(
            repeating: false, count: HugePages.canGather(region) ? region.count / HugePages.size : 0)
    }

    /// Makes one huge page, if there is one to be made.
    ///
    /// - Parameter used: bytes in use of each shard, from its beginning on.
    mutating func gather(_ used: [Int], at now: Instant) {
        guard !isImpossible, now >= restsUntil, let number = isGathered.indices.first(where: { isDue($0, used) })
        else { return }
        let start = Clock.now
        do {
            try HugePages.gather(region, at: number * HugePages.size)
            isGathered[number] = true
            gathered += 1
            if Clock.now - start > Self.patience { restsUntil = now + Self.rest }
        } catch {
            refused += 1
            isImpossible = error.code == Errno.invalid
            restsUntil = now + Self.rest
        }
    }

    private func isDue(_ number: Int, _ used: [Int]) -> Bool {
        guard !isGathered[number] else { return false }
        let start = number * HugePages.size
        let end = start + HugePages.size
        var inUse = 0
        for shard in start / shardBytes...min((end - 1) / shardBytes, used.count - 1) {
            let first = shard * shardBytes
            inUse += max(0, min(end, first + used[shard]) - max(start, first))
        }
        return inUse >= Self.worth
    }
}
