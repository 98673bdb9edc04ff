// How far the two streams of a TCP connection have come, by the kernel's own counts.

import CLinux
import Glibc

/// What of a stream this side has read or written, as the kernel knows it: also when the process that did so is dead.
package enum TCPCursor {
    /// States of a connection (`TCP_*` of `linux/tcp.h`).
    private enum State {
        static let finSent: Set<UInt32> = [4, 5, 6, 9, 11]
        static let finReceived: Set<UInt32> = [6, 8, 9, 11]
        static let closed: UInt32 = 7
    }

    /// Tries to get counts that belong together, while the connection goes on.
    private static let tries = 64

    /// A number no other socket has or had while this host runs; `nil`: there is no such socket.
    package static func cookie(_ number: Int32) -> UInt64? {
        var cookie: UInt64 = 0
        // Sound: the number lives on the stack for the duration of the call.
        return unsafe cl_socket_cookie(number, &cookie) == 0 ? cookie : nil
    }

    /// Bytes that were taken from the socket since the connection began.
    ///
    /// `bytes_received − SIOCINQ`, less the FIN, which the first counts and the second never does. `nil`: the kernel does
    /// not say. True for sockets that have urgent bytes in line, as ours have (``Socket``).
    package static func received(_ number: Int32) -> UInt64? {
        guard let (counts, waiting) = settled(number, UInt(CL_FIONREAD), \.received) else { return nil }
        var hasFin = State.finReceived.contains(counts.state)
        // Closed for good: an orderly end counted its FIN, a reset has none.
        if counts.state == State.closed { hasFin = Socket.error(number) == 0 }
        let taken = counts.received &- waiting &- (hasFin ? 1 : 0)
        return taken <= counts.received ? taken : nil
    }

    /// Whether the connection is over on both sides: closed in order, or reset.
    package static func isClosed(_ number: Int32) -> Bool { counts(number)?.state == State.closed }

    /// Bytes that were given to the socket since the connection began.
    ///
    /// `bytes_acked + SIOCOUTQ`, less the SYN, which is counted on the connecting side only, and the FIN. `nil`: the kernel
    /// does not say, or the connection is closed.
    package static func sent(_ number: Int32, isConnector: Bool) -> UInt64? {
        guard let (counts, waiting) = settled(number, UInt(CL_TIOCOUTQ), \.acknowledged),
            counts.state != State.closed
        else { return nil }
        let given = counts.acknowledged &+ waiting
        let bias: UInt64 = (isConnector ? 1 : 0) + (State.finSent.contains(counts.state) ? 1 : 0)
        return given >= bias ? given - bias : nil
    }

    private struct Counts {
        var state: UInt32 = 0
        var acknowledged: UInt64 = 0
        var received: UInt64 = 0
    }

    private static func counts(_ number: Int32) -> Counts? {
        var counts = Counts()
        // Sound: the numbers live on the stack for the duration of the call.
        return unsafe cl_tcp_counts(number, &counts.state, &counts.acknowledged, &counts.received) == 0 ? counts : nil
    }

    /// Counts and the length of a queue that belong together: nothing moved between the two questions.
    private static func settled(
        _ number: Int32, _ request: UInt, _ moving: KeyPath<Counts, UInt64>
    ) -> (Counts, UInt64)? {
        guard var before = counts(number) else { return nil }
        for _ in 0..<tries {
            var waiting: Int32 = 0
            // Sound: the number lives on the stack for the duration of the call.
            guard unsafe cl_ioctl(number, request, &waiting) == 0, waiting >= 0, let after = counts(number) else {
                return nil
            }
            if before.state == after.state, before[keyPath: moving] == after[keyPath: moving] {
                return (after, UInt64(waiting))
            }
            before = after
        }
        return nil
    }
}
