// What one listener has counted since the process began, over all loops and reloads.

import Synchronization
import Wire

/// Counters that a session touches when it comes, when it is established, and when it ends.
final class ListenerTotals: Sendable {
    /// What is counted.
    enum Kind: Int, CaseIterable, Sendable {
        /// Connections that arrived, sessions that reached their server, and how both went: established sessions that are
        /// over, and connections that ended before.
        case accepted, established, ended, refused
        /// TLS handshakes with clients, and those that failed.
        case handshakes, handshakesFailed
        /// Bytes to servers and to clients, of sessions that are over.
        case bytesUp, bytesDown

        /// The stable name: `handshakes_failed`.
        var name: String {
            switch self {
            case .accepted: "accepted"
            case .established: "established"
            case .ended: "ended"
            case .refused: "refused"
            case .handshakes: "handshakes"
            case .handshakesFailed: "handshakes_failed"
            case .bytesUp: "bytes_up"
            case .bytesDown: "bytes_down"
            }
        }
    }

    /// A class, because an atomic cannot be moved.
    private final class Cell: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let cells = Kind.allCases.map { _ in Cell() }

    func add(_ kind: Kind, _ amount: UInt64 = 1) { cells[kind.rawValue].value.wrappingAdd(amount, ordering: .relaxed) }
    subscript(_ kind: Kind) -> UInt64 { cells[kind.rawValue].value.load(ordering: .relaxed) }

    /// As a member of the listener in `status`.
    var json: JSON { .object(Kind.allCases.map { JSON.Member($0.name, JSON(self[$0])) }) }
}
