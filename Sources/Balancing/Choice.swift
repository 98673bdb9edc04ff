// Which server a session gets, and why.

/// The answer to *why that server?*
package struct Choice: Hashable, Sendable {
    /// The reason of a choice.
    package enum Because: String, Hashable, Sendable, CaseIterable {
        /// The stick table named it.
        case stuck
        /// Its turn; also for an empty client ID where the algorithm hashes.
        case roundRobin = "round-robin"
        /// The fewest sessions for its weight.
        case leastConnections = "least-connections"
        /// The client ID's own server on the ring.
        case hash
        /// The ring's own server for the client ID or address was unusable, tried or full: the next one on the ring.
        case fallback
        /// No other server was left.
        case backup
        /// The client address's own server on the ring.
        case source
        /// The less loaded of two drawn at random.
        case random
        /// The first in the file's order that has room.
        case first
    }

    /// Index of the server in its ``Backend``.
    package let server: Int
    package let because: Because
    /// The server the session sticks to, when that one was unusable or already tried.
    package let reroutedFrom: Int?
}
