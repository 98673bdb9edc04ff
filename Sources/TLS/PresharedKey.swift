// An external pre-shared key for TLS 1.3, bound to who dials whom.

/// What two nodes prove to each other instead of certificates (RFC 8446, 2.2 and 4.2.11).
///
/// The identity names the protocol, the node that dials and the node that answers. A node expects to be called by the
/// other's name, so a connection that somebody turns back to its sender is refused; the key is derived with the
/// identity, so that the two directions do not even share a key.
package struct PresharedKey: Hashable, Sendable {
    /// The protocol the identity is good for.
    package static let pairLink = "understudy-pair-link/1"
    /// Octets of the key: the output of the suite's hash, SHA-384 (RFC 8446, 4.2.11).
    package static let count = 48

    /// What the dialling side says in the clear.
    package let identity: [UInt8]
    let key: [UInt8]

    /// The key of the pair link.
    ///
    /// - Parameters:
    ///   - client: name of the node that dials.
    ///   - server: name of the node that answers.
    package init(_ secret: PairSecret, client: String, server: String) throws(TLSError) {
        // Names are at most 255 octets in the link's own protocol, and hold no octet 0.
        identity = Array("\(Self.pairLink)\0\(client)\0\(server)".utf8)
        key = try secret.key("pair-link-psk", context: identity, count: Self.count)
    }
}
