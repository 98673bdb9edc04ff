// Why an advertisement was not believed: one name for each reason, and a counter behind each name.

extension Advertisement {
    /// A reason for which an advertisement is refused (RFC 9568, 7.1). The raw value is the name of its counter.
    package enum Discard: String, Error, CaseIterable, Sendable {
        // What the octets alone tell.

        /// Fewer octets than the fixed part has.
        case tooShort = "too-short"
        /// Neither version 2 nor 3, or version 2 over IPv6.
        case wrongVersion = "wrong-version"
        /// A type other than 1, the only one defined.
        case wrongType = "wrong-type"
        /// The TTL or hop limit was not 255: the packet came from behind a router.
        case badHopLimit = "bad-ttl"
        /// Virtual router identifier 0.
        case zeroRouterID = "zero-router-id"
        /// The message names no address (RFC 9568, erratum 8299).
        case noAddresses = "no-addresses"
        /// The message ends before the addresses it promises.
        case truncated = "truncated"
        /// Octets behind the message that are not the padding of a short Ethernet frame.
        case trailingBytes = "trailing-bytes"
        /// The checksum fits neither form.
        case badChecksum = "bad-checksum"
        /// Interval 0: believing it would mean taking over at once (RFC 9568, erratum 8301).
        case zeroInterval = "zero-interval"
        /// An authentication type other than none and password.
        case unknownAuthentication = "unknown-auth-type"

        // What the router knows beside the octets.

        /// It came over the other address family.
        case wrongFamily = "wrong-family"
        /// It is for another virtual router.
        case otherRouterID = "other-router-id"
        /// Its source address is our own.
        case ownAddress = "own-address"
        /// Its source address is not among the configured peers.
        case notAPeer = "not-a-peer"
        /// It came to the group, and this router speaks unicast.
        case unexpectedMulticast = "unexpected-multicast"
        /// It came to an address of ours, and this router speaks multicast.
        case unexpectedUnicast = "unexpected-unicast"
        /// It has the version this router does not speak.
        case versionMismatch = "version-mismatch"
        /// Another authentication type or another password.
        case authenticationMismatch = "auth-mismatch"
        /// Version 2 with another interval (RFC 3768, 7.1); in version 3 the interval is learned.
        case intervalMismatch = "interval-mismatch"

        // What the trailer of an authenticated advertisement tells.

        /// No trailer, and this router enforces one.
        case hmacMissing = "hmac-missing"
        /// A trailer of another kind, or with reserved bits set.
        case hmacMalformed = "hmac-malformed"
        /// Sealed with a key this router does not have.
        case hmacUnknownKey = "hmac-unknown-key"
        /// The seal does not fit the message: wrong key, or somebody changed it.
        case hmacMismatch = "hmac-mismatch"
        /// Sealed too long ago or in the future: an old capture, or clocks that differ by more than the window.
        case hmacStale = "hmac-stale"
        /// A sequence number that this sender has already used or passed.
        case hmacReplayed = "hmac-replayed"
        /// Our own cryptographic library failed, so nothing could be verified.
        case hmacUnverifiable = "hmac-unverifiable"

        /// Whether it may have been the peer's, with another key or none.
        package var isUnverified: Bool {
            switch self {
            case .hmacMissing, .hmacUnknownKey, .hmacMismatch, .hmacUnverifiable: true
            default: false
            }
        }
    }
}
