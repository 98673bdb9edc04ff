// What `understudy check` says of MQTT inside WebSockets.

import Wire

extension Explanation {
    /// What a listener's clients speak.
    func spoken(_ listener: Configuration.ListenerSettings) -> String {
        guard let rules = listener.webSocket else { return "MQTT" }
        let hosts = rules.hosts.isEmpty ? "" : " of " + rules.hosts.joined(separator: ", ")
        return "MQTT inside WebSockets at \(rules.path)\(hosts)"
    }

    /// Whom a listener believes about its clients' addresses.
    func trusted(_ listener: Configuration.ListenerSettings) -> [String] {
        guard listener.webSocket != nil else { return [] }
        if listener.trustedForwarders.isEmpty { return ["  X-Forwarded-For is ignored: nobody is trusted with it."] }
        let networks = listener.trustedForwarders.map(\.description).joined(separator: ", ")
        return ["  From \(networks) the client's address is what X-Forwarded-For says."]
    }

    /// How a server takes MQTT, behind its address.
    func spoken(_ server: Configuration.ServerSettings) -> String {
        guard let target = server.webSocket else { return "" }
        return ", inside a WebSocket at \(target.target)" + (target.host.map { " of \($0)" } ?? "")
    }
}
