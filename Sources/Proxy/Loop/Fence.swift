// Knows when every loop has done what was posted to it.

import Synchronization

/// Posted to every loop behind other commands; says when the last of them has passed it.
final class Fence: Sendable {
    private let missing: Atomic<Int>
    private let reached: @Sendable () -> Void

    /// - Parameters:
    ///   - loops: How many loops it is posted to, at least one.
    ///   - reached: Called on the thread of the last loop.
    init(loops: Int, reached: @escaping @Sendable () -> Void) {
        precondition(loops > 0)
        missing = Atomic(loops)
        self.reached = reached
    }

    /// One loop has come here.
    func passed() {
        if missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { reached() }
    }
}
