// Why a connection of the pair link ended or never was: a word for counters, a sentence for people.

import Linux
import Replication
import TLS

/// The end of one connection to the peer. The link itself never fails for good: it is dialled again.
struct PairLinkFailure: Error, Hashable {
    /// The reason in one word, as `status` counts it.
    var label: String
    var reason: String

    /// Labels of what happens to connections, as against what somebody refused.
    static let losses: Set<String> = ["connection", "closed", "timeout", TLSError.Kind.truncated.rawValue]

    /// The kernel's refusal, or the network's.
    static func connection(_ errno: Errno) -> PairLinkFailure {
        PairLinkFailure(label: "connection", reason: errno.description)
    }

    /// The two sides could not agree on who they are, or on the bytes.
    static func security(_ error: TLSError) -> PairLinkFailure {
        PairLinkFailure(label: error.kind.rawValue, reason: error.reason)
    }

    /// This side gave the link up.
    static func refusal(_ refusal: PeerRefusal) -> PairLinkFailure {
        let reason =
            switch refusal {
            case .malformed(let violation): "the peer's bytes are not the link's protocol: \(violation)"
            case .otherVersion(let version): "the peer speaks version \(version) of the link's protocol"
            case .sameNode: "the peer has this node's own identity"
            case .otherPeer(let name): "the peer calls itself \(name)"
            case .helloTimeout: "the peer did not introduce itself in time"
            case .silent: "nothing came from the peer"
            }
        return PairLinkFailure(label: refusal.label, reason: reason)
    }

    static let slow = PairLinkFailure(label: "timeout", reason: "connection and handshake took too long")
    static let closed = PairLinkFailure(label: "closed", reason: "the peer closed the link")
    static let crowded = PairLinkFailure(label: "crowded", reason: "more connections than the peer makes")

    static func stranger(_ address: String) -> PairLinkFailure {
        PairLinkFailure(label: "unknown-source", reason: "\(address) is not the peer's address")
    }
}
