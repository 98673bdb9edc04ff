// An upgrade on the kernel: which program, who asked, what runs for it.

import Control
import Linux
import Wire

/// What the supervisor keeps of an upgrade while it goes on.
final class Upgrading {
    var machine: Upgrade
    /// The new program's path.
    let path: String
    let asker: AdminConnection
    /// The version the new program says it is.
    var version = "?"
    /// Children are started from the new program.
    private var usesNew = false
    /// The process that was asked something, until it has answered.
    var asked: Process?
    var timer: EventLoop.Timer?

    init(_ machine: Upgrade, path: String, asker: AdminConnection) {
        self.machine = machine
        self.path = path
        self.asker = asker
    }

    func use(new: Bool) { usesNew = new }

    /// What a child is started from; `nil`: the supervisor's own program.
    func program(for role: ChildProcess.Role) -> String? { usesNew ? path : nil }
}
