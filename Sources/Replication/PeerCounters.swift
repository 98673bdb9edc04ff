// What a peer session counts.

/// Counters of a peer session over all its connections.
package struct PeerCounters: Hashable, Sendable {
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var entriesSent: UInt64 = 0
    package var entriesReceived: UInt64 = 0
    /// Received entries that won.
    package var entriesApplied: UInt64 = 0
    /// Entries that anti-entropy brought after the node was in sync.
    package var entriesRepaired: UInt64 = 0
    /// Times the update ring had turned past our cursor.
    package var overruns: UInt64 = 0
    /// Frames of a type this version does not know.
    package var unknownFrames: UInt64 = 0
    /// Links that came as far as HELLO.
    package var links: UInt64 = 0
    /// Links this side closed, by ``PeerRefusal/label``.
    package var refusals: [String: UInt64] = [:]

    package init() {}
}
