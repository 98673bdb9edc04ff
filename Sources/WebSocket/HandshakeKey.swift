// The key of a handshake and its answer.

/// Sec-WebSocket-Key and Sec-WebSocket-Accept (RFC 6455, 4.2.2, 5.4).
package enum HandshakeKey {
    /// Bytes of randomness in a key.
    package static let count = 16

    /// The text of a key of ours; `random` holds ``count`` bytes that nobody can guess.
    package static func text(_ random: [UInt8]) -> String {
        precondition(random.count == count, "a key has sixteen bytes")
        return Base64.encode(random)
    }

    /// What the server answers to a key, as its text stands in the request.
    package static func answer(to key: String) -> String {
        Base64.encode(SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }
}
