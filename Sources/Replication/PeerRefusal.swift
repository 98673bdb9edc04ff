// Why a link to the peer was closed by this side.

/// Why this side closes the link; each is counted.
package enum PeerRefusal: Error, Hashable, Sendable {
    /// The bytes are not what docs/replication.md says.
    case malformed(Malformation)
    /// The peer speaks another version.
    case otherVersion(UInt16)
    /// The peer is this node itself, or has the same identity.
    case sameNode
    /// The peer is not the configured one.
    case otherPeer(String)
    /// No HELLO came in time.
    case helloTimeout
    /// Nothing came for the heartbeat timeout.
    case silent

    /// The violated rule.
    package enum Malformation: Hashable, Sendable {
        case frameTooLong(Int)
        /// A body ends before its fields.
        case short(type: UInt8)
        case notOurProtocol
        case messageBeforeHello(UInt8)
        case secondHello
        case tooManyTables(Int)
        case badName
        case unknownTable(UInt8)
        case sequence(expected: UInt64, got: UInt64)
        case acknowledgement(UInt64)
        case emptyKey
        case buckets(Int)
        case zeroHeartbeat
    }

    /// The reason in one word, for counters and `status`.
    package var label: String {
        switch self {
        case .malformed: "malformed"
        case .otherVersion: "other-version"
        case .sameNode: "same-node"
        case .otherPeer: "other-peer"
        case .helloTimeout: "hello-timeout"
        case .silent: "silent"
        }
    }
}
