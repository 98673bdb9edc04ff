// Numbers that only grow, and numbers that go up and down.

import Synchronization

/// A count of events since the start of the process; safe from any thread.
package final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    package init() {}

    /// Counts so many more.
    @inline(__always)
    package func add(_ number: UInt64 = 1) { count.add(number, ordering: .relaxed) }

    package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A number that is measured now; safe from any thread.
package final class Gauge: Sendable {
    private let level = Atomic<Int64>(0)

    package init() {}

    /// Sets the level.
    @inline(__always)
    package func set(_ value: Int64) { level.store(value, ordering: .relaxed) }

    /// Raises or lowers the level.
    @inline(__always)
    package func add(_ number: Int64) { level.add(number, ordering: .relaxed) }

    package var value: Int64 { level.load(ordering: .relaxed) }
}
