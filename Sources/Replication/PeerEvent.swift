// What happens to a peer session, and what it wants done.

/// What a shell reports to a ``PeerSession``; received bytes go to ``PeerSession/receive(_:at:)``.
package enum PeerEvent: Hashable, Sendable {
    /// A new, authenticated connection stands; it replaces the old one.
    case connected
    case disconnected
    /// What this node says about itself from now on.
    case facts(NodeFacts)
    /// ``PeerSession/nextDeadline`` has come.
    case timer
}

/// What a ``PeerSession`` wants done or known.
package enum PeerAction: Hashable, Sendable {
    /// Close the connection and report ``PeerEvent/disconnected``.
    case close(PeerRefusal)
    /// HELLO was accepted.
    case up(peer: String)
    case down
    /// This node holds all the peer had, or no longer knows.
    case inSync(Bool)
    /// The peer's facts changed.
    case peerFacts(NodeFacts)
    /// A table is not replicated.
    case tableRefused(name: String, reason: TableRefusal)

    /// Why a table is not replicated on this link.
    package enum TableRefusal: Hashable, Sendable {
        /// Only this node has it.
        case notAtPeer
        /// Only the peer has it.
        case notHere
        /// The two nodes hash keys differently.
        case otherKey
    }
}
