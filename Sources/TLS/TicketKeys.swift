// The keys of session tickets: made from a secret and the hour, so that both hosts have the same without exchanging any.

/// Derives the keys that session tickets are encrypted with (RFC 5077, 4).
///
/// Time is cut into epochs; each epoch's keys come from the secret, the policy the tickets are good for, and the
/// epoch's number. Hosts with the same secret resume each other's sessions, also while their clocks differ by less than
/// an epoch: besides the current epoch's tickets, those of the one before and the one after are accepted. An epoch is at
/// least as long as a ticket is good, so a ticket never outlives its keys.
///
/// Who learns the secret can decrypt tickets; sessions of TLS 1.3 stay secret nevertheless, because each resumption
/// has a fresh key exchange (RFC 8446, 2.2), and those of TLS 1.2 do not (docs/architecture.md).
package struct TicketKeys: Hashable, Sendable {
    /// One epoch's keys.
    struct Keys: Hashable, Sendable {
        /// What a ticket says about the keys it needs.
        var name: [UInt8]
        /// AES-256-CBC.
        var encryption: [UInt8]
        /// HMAC-SHA256.
        var authentication: [UInt8]

        static let nameCount = 16
        static let keyCount = 32
    }

    /// Octets of a ticket secret.
    package static let secretCount = 32
    /// Shortest epoch in seconds, so that few keys are derived.
    static let shortestEpoch: Int64 = 3600

    private let secret: [UInt8]
    /// A digest of what resumption must not cross.
    private let policy: [UInt8]
    /// Seconds of an epoch.
    let epochSeconds: Int64

    /// - Parameters:
    ///   - secret: ``secretCount`` octets, the same on hosts that resume each other's sessions.
    ///   - policy: a digest of what is asked of clients; another policy, other keys.
    ///   - lifetime: seconds a ticket is good for.
    package init(secret: [UInt8], policy: [UInt8], lifetime: Int64) {
        precondition(secret.count == Self.secretCount, "a ticket secret has \(Self.secretCount) octets")
        self.secret = secret
        self.policy = policy
        epochSeconds = max(lifetime, Self.shortestEpoch)
    }

    /// The epoch a moment is in.
    ///
    /// - Parameter time: seconds since 1970.
    func epoch(at time: Int64) -> Int64 { max(0, time) / epochSeconds }

    /// The keys of an epoch.
    func keys(of epoch: Int64) throws(TLSError) -> Keys {
        let number = (0..<8).map { UInt8(truncatingIfNeeded: epoch >> (56 - 8 * Int64($0))) }
        let octets = try KeyDerivation.hkdf(
            secret: secret, salt: Array("understudy-tls-ticket-1".utf8), info: policy + number,
            count: Keys.nameCount + 2 * Keys.keyCount)
        return Keys(
            name: Array(octets[..<Keys.nameCount]),
            encryption: Array(octets[Keys.nameCount..<Keys.nameCount + Keys.keyCount]),
            authentication: Array(octets[(Keys.nameCount + Keys.keyCount)...]))
    }
}

extension TicketKeys: CustomReflectable {
    /// Nothing: what prints a value by its fields must not print the secret.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension PairSecret {
    /// The secret of session tickets: the same on both hosts of the pair.
    package func ticketSecret() throws(TLSError) -> [UInt8] {
        try key("tls-ticket-secret", count: TicketKeys.secretCount)
    }
}
