// A request to become a WebSocket, as values for the rules of host and path.

/// A valid request for a WebSocket that speaks MQTT (RFC 6455, 4.1).
///
/// Whether its host, path and origin are ours to serve is the caller's to say, with ``UpgradeRefusal``. All text is
/// visible ASCII.
package struct UpgradeRequest: Hashable, Sendable {
    /// As the client wrote it, with its port when it wrote one.
    package let host: String
    /// From the first slash, before a question mark; as sent, nothing decoded.
    package let path: String
    /// Behind the question mark; nil: there is none.
    package let query: String?
    package let key: String
    /// The one to answer with; nil only where the policy allows to do without.
    package let subprotocol: Subprotocol?
    /// Who says to have sent the client (browsers only).
    package let origin: String?
    /// All X-Forwarded-For fields joined in order; to be believed from trusted addresses only.
    package let forwardedFor: String?
    /// The request with its empty line, in bytes; frames follow.
    package let length: Int

    /// The host without its port, in lower case, an IPv6 address in its brackets: what host rules compare.
    package var hostName: String {
        let name: Substring
        if host.hasPrefix("[") {
            name = host[..<(host.firstIndex(of: "]").map { host.index(after: $0) } ?? host.endIndex)]
        } else {
            name = host.prefix { $0 != ":" }
        }
        return name.lowercased()
    }

    /// The answer that accepts (RFC 6455, 4.2.2): no extension, so frames are never compressed.
    package var acceptance: [UInt8] {
        var lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: " + HandshakeKey.answer(to: key),
        ]
        if let subprotocol { lines.append("Sec-WebSocket-Protocol: " + subprotocol.rawValue) }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}
