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
    /// Put what the loop's thread keeps of freed memory there.
    case empty(into: Hoards)
    /// Take no new sessions any more; end so many of those that are there between two packets.
    case drain(most: Int)
    /// Close every session and leave, between two packets where that is possible.
    case stop
    /// Close what is left, at once.
    case cut
}

/// What loops' threads kept of freed memory; one for each that was asked and has answered.
final class Hoards: Sendable {
    private let found = Mutex<[ThreadHoard]>([])

    /// A loop may answer when nobody waits any more.
    deinit { free() }

    /// Adds what the calling thread keeps.
    func add() {
        let hoard = ThreadHoard.take()
        found.withLock { $0.append(hoard) }
    }

    /// Frees all that has come.
    func free() {
        let all = found.withLock { found in
            defer { found.removeAll() }
            return found
        }
        for hoard in all { hoard.free() }
    }
}

/// The way to a loop from other threads.
final class LoopMailbox: Sendable {
    private let commands = Mutex<[LoopCommand]>([])
    /// Readable when there is something to fetch.
    let bell: Bell

    init() throws(Errno) { bell = try Bell() }

    /// Posts commands that the loop carries out one after the other in one turn.
    func post(_ wanted: LoopCommand...) {
        commands.withLock { $0 += wanted }
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
