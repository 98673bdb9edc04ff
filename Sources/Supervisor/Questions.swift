// Questions to the children that wait for their answers.

import Control
import Wire

/// Who is to be told when a child has answered.
final class Questions {
    /// Questions at one time.
    static let maximum = 128

    private struct Question {
        var role: ChildProcess.Role
        var done: (JSON?) -> Void
    }

    private var waiting: [UInt64: Question] = [:]
    private var nextID: UInt64 = 1

    /// A number for a question; `done` is called once with the answer, or with `nil` when there will be none. `nil` when
    /// too many wait already.
    func ask(_ role: ChildProcess.Role, _ done: @escaping (JSON?) -> Void) -> UInt64? {
        guard waiting.count < Self.maximum else { return nil }
        defer { nextID += 1 }
        waiting[nextID] = Question(role: role, done: done)
        return nextID
    }

    func answered(_ id: UInt64, _ answer: JSON?) { waiting.removeValue(forKey: id)?.done(answer) }

    /// The child is gone, and its answers with it.
    func lost(_ role: ChildProcess.Role) {
        for id in waiting.filter({ $0.value.role == role }).keys.sorted() { answered(id, nil) }
    }
}
