// Our own request to a server that speaks MQTT over WebSocket.

package import Wire

/// A request of ours for a WebSocket, telling the server whom it is for.
package struct UpgradeOffer: Hashable, Sendable {
    /// Text that cannot stand in a request: not visible ASCII, or no name of a field.
    package struct Unprintable: Error, Hashable { package let field: String }

    /// The client's own host, or what the configuration puts in its place.
    package var host: String
    /// Path and query; begins with a slash.
    package var target: String
    /// From ``HandshakeKey/text(_:)``.
    package var key: String
    package var subprotocol: Subprotocol
    /// Whom the connection is for: X-Real-IP, REMOTE-HOST, X-Forwarded-Port, and the last of X-Forwarded-For; nil for
    /// a check.
    package var client: SocketAddress?
    /// What came as X-Forwarded-For, when the sender is trusted; the sender's address is appended.
    package var forwardedFor: String?
    /// Who connected to us, when it is not the client itself but a trusted proxy.
    package var sender: IPAddress?
    package var origin: String?
    /// More fields, in order; names and values as they are written.
    package var fields: [Field] = []

    /// A field of the configuration's.
    package struct Field: Hashable, Sendable {
        package let name: String
        package let value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        host: String, target: String, key: String, subprotocol: Subprotocol = .mqtt, client: SocketAddress? = nil
    ) {
        self.host = host
        self.target = target
        self.key = key
        self.subprotocol = subprotocol
        self.client = client
    }

    /// The request (RFC 6455, 4.1); no extension is offered.
    ///
    /// - Throws: ``Unprintable``: no text of a client's can end a line of ours and begin its own.
    package func encode() throws(Unprintable) -> [UInt8] {
        var lines = [
            Field(name: "Host", value: host), Field(name: "Upgrade", value: "websocket"),
            Field(name: "Connection", value: "Upgrade"), Field(name: "Sec-WebSocket-Key", value: key),
            Field(name: "Sec-WebSocket-Version", value: "13"),
            Field(name: "Sec-WebSocket-Protocol", value: subprotocol.rawValue),
        ]
        if let origin { lines.append(Field(name: "Origin", value: origin)) }
        var chain = forwardedFor
        if let client {
            let address = "\(client.address.unmapped)"
            let last = sender.map { "\($0.unmapped)" } ?? address
            chain = chain.map { $0 + ", " + last } ?? last
            lines.append(Field(name: "X-Real-IP", value: address))
            lines.append(Field(name: "REMOTE-HOST", value: address))
            lines.append(Field(name: "X-Forwarded-Port", value: "\(client.port)"))
        }
        if let chain { lines.append(Field(name: "X-Forwarded-For", value: chain)) }
        lines += fields
        guard target.hasPrefix("/"), target.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else {
            throw Unprintable(field: "target")
        }
        var text = "GET \(target) HTTP/1.1\r\n"
        for line in lines {
            guard HTTPHead.isToken(Array(line.name.utf8)[...]), HTTPHead.isPlain(line.value) else {
                throw Unprintable(field: line.name)
            }
            text += "\(line.name): \(line.value)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }
}
