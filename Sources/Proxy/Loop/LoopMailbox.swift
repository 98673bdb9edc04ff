// What other threads ask of a loop.

import Linux
import Synchronization
import Wire

/// A request to a loop, carried out between two of its turns.
enum LoopCommand: Sendable {
    /// Use this configuration from now on.
    case adopt(Snapshot)
    /// Close at most so many sessions of a server; what is left of that is added to `unspent`.
    case shed(server: ServerPlace, most: Int, unspent: Gauge? = nil)
    /// Close every session whose client came to one of these addresses; when refusing, also what is accepted there until
    /// `resume`. All have been closed when the fence, if any, is passed.
    case leave([IPAddress], refusing: Bool, Fence? = nil)
    /// Accept normally again.
    case resume
    /// Describe the established sessions, in batches.
    case list(SessionListing)
    /// Everything posted before has been done.
    case passed(Fence)
    /// Close every session and leave.
    case stop
}

/// The way to a loop from other threads.
final class LoopMailbox: Sendable {
    private let commands = Mutex<[LoopCommand]>([])
    /// Readable when there is something to fetch.
    let bell: Bell

    init() throws(Errno) { bell = try Bell() }

    func post(_ command: LoopCommand) {
        commands.withLock { $0.append(command) }
        bell.ring()
    }

    /// Everything posted since the last call.
    func fetch() -> [LoopCommand] {
        bell.silence()
        return commands.withLock { commands in
            defer { commands.removeAll() }
            return commands
        }
    }
}
