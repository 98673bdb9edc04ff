// Work on another thread whose end is awaited, but not for ever.

import Glibc
import Linux
import Synchronization
import Wire

/// Runs a closure on a thread of its own.
final class Worker<Value: Sendable>: Sendable {
    private let bell: Bell
    private let result = Mutex<Result<Value, any Error>?>(nil)

    init(_ body: @escaping @Sendable () throws -> Value) throws {
        let bell = try Bell()
        self.bell = bell
        _ = try Thread(name: "worker") { [self] in
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
            bell.ring()
        }
    }

    /// The closure's value or error; fails when there is none for a long time.
    func join() throws -> Value {
        var entry = pollfd(fd: bell.number, events: Int16(POLLIN), revents: 0)
        // Sound: the entry lives on the stack for the duration of the call.
        guard unsafe poll(&entry, 1, 3 * Peer.patience) > 0, let result = result.withLock({ $0 }) else {
            throw Peer.Failure.timeout("a worker")
        }
        return try result.get()
    }
}

/// Waits until something another thread does has happened; `false` when it never does.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    let limit = Clock.now + .milliseconds(Int64(Peer.patience))
    while try !condition() {
        guard Clock.now < limit else { return false }
        usleep(500)
    }
    return true
}
