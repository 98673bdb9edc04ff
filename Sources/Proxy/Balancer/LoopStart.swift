// What a loop begins with, and the gate behind which it waits for it.

import Linux
import Synchronization

/// What a loop serves from its beginning on.
struct LoopStart: Sendable {
    let snapshot: Snapshot
    /// What the numbers in its memory mean, when a predecessor wrote it.
    var inheritance: SurvivalDirectory.Translation?
}

/// Where a loop waits that was started before its configuration came: a thread, its filter and its tools take a while, and the sessions of a
/// dead balancer wait for them.
final class LoopGate: Sendable {
    private let start = Mutex<LoopStart?>(nil)
    private let bell: Bell

    init() throws(Errno) { bell = try Bell() }

    /// Lets the loop begin; called once.
    func open(_ start: LoopStart) {
        self.start.withLock { $0 = start }
        bell.ring()
    }

    /// What the loop begins with, once it has come.
    func pass() -> LoopStart {
        while true {
            if let start = start.withLock({ $0 }) { return start }
            bell.wait(until: nil)
        }
    }
}
