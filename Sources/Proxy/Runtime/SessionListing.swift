// The sessions of all loops, gathered for `clients`.

import Synchronization
import Wire

/// Collects descriptions of sessions from all loops; rung when the last is in.
final class SessionListing: Sendable {
    /// One established session.
    struct Session: Sendable {
        let clientID: [UInt8]
        /// The client ID as the device sent it, when servers see another.
        let original: [UInt8]?
        let peer: SocketAddress
        let level: UInt8
        let keepAlive: UInt16
        let server: ServerPlace
        let reason: UInt8
        let listener: UInt16
        let since: Instant
        let lastActivity: Instant
        let bytesUp: UInt64
        let bytesDown: UInt64
        /// Bytes before those up, bytes of these that were replaced, and what servers got instead (``Flow``).
        let skipped: UInt32
        let replaced: UInt32
        let added: UInt32
        let loop: Int
    }

    private struct State {
        var sessions: [Session] = []
        var missing: Int
    }

    private let state: Mutex<State>
    private let finished: @Sendable () -> Void

    /// - Parameters:
    ///   - loops: How many loops will answer.
    ///   - finished: Called on the thread of the last loop that answered.
    init(loops: Int, finished: @escaping @Sendable () -> Void) {
        state = Mutex(State(missing: loops))
        self.finished = finished
    }

    func add(_ batch: [Session], isLast: Bool) {
        let isComplete = state.withLock { state in
            state.sessions += batch
            if isLast { state.missing -= 1 }
            return isLast && state.missing == 0
        }
        if isComplete { finished() }
    }

    var sessions: [Session] { state.withLock { $0.sessions } }
}
