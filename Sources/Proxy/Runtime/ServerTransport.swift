// How a server is spoken to: over TLS, inside a WebSocket, both, or neither.

import TLS

/// What stands between our MQTT and a server's.
struct ServerTransport: Sendable {
    /// A WebSocket to ask for.
    struct WebSocketTarget: Hashable, Sendable {
        /// Path and query; begins with a slash.
        var target: String
        /// What our request says as Host; `nil`: what the client said, else the server's address.
        var host: String?
    }

    /// The settings of our handshakes as a client.
    var tls: TLSContext?
    var webSocket: WebSocketTarget?

    var isPlain: Bool { tls == nil && webSocket == nil }
}
