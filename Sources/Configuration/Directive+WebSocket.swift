// The directive table: MQTT inside WebSockets.

import Wire

extension Directive {
    /// Most names that one listener takes.
    private static let mostHosts = 64

    static let webSocketDirectives = [trustForwardedFor]

    /// `mqtt`, alone or inside a WebSocket.
    static let mqttProtocol = Syntax.sequence([
        "mqtt",
        .repeated(
            .sequence([
                "over", "websocket", "path", .value("PATH", .webPath),
                .repeated(.sequence(["host", .value("NAME", .hostName)]), most: mostHosts),
            ]), most: 1),
    ])

    /// The WebSocket that a `protocol` asks for.
    static func webSocket(_ arguments: Arguments) -> Configuration.WebSocketSettings? {
        guard let path = arguments.text("PATH") else { return nil }
        return Configuration.WebSocketSettings(path: path, hosts: arguments.texts("NAME").map { $0.lowercased() })
    }

    static let trustForwardedFor = Directive(
        "trust forwarded-for", in: .listen, .repeatable(required: false), .value("NETWORK", .prefix),
        "Proxies whose X-Forwarded-For is believed: the client's address is taken from there; from elsewhere it is ignored.",
        reload: .newSessions, foreign: ["set_real_ip_from", "real_ip_header", "forwardfor"],
        apply: { configuration, arguments in
            if let network = arguments.prefix("NETWORK") {
                configuration.listeners.newest.trustedForwarders.append(network)
            }
        },
        show: { configuration, index in configuration.listeners[index].trustedForwarders.map(\.description) })
}
