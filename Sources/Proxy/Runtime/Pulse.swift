// A loop's heartbeat.

import Synchronization

/// When a loop last began a turn; written by the loop, read by whoever vouches for it.
final class Pulse: Sendable {
    private let instant = Atomic<Int64>(0)

    /// - Parameter now: nanoseconds of the monotonic clock.
    @inline(__always)
    func beat(at now: Int64) { instant.store(now, ordering: .relaxed) }

    /// Nanoseconds of the monotonic clock; 0 before the first turn.
    var last: Int64 { instant.load(ordering: .relaxed) }
}
