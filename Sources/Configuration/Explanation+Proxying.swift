// What a configuration means, in words: PROXY headers, rewritten CONNECTs, listeners that only pass bytes.

import Wire

extension Explanation {
    /// A listener that reads nothing of what its clients send.
    func opaque(_ listener: Configuration.ListenerSettings, _ binds: String) -> [String] {
        let idle = (listener.idleTimeout ?? Configuration.ListenerProtocol.usualIdleTimeout).text
        let name = listener.protocol == .http ? "HTTP" : "TCP"
        return [
            "Listener \(listener.name): \(name) on \(binds), passed as it is to the backend \(listener.backend).",
            "  A session ends after a silence of \(idle) on both sides.",
            "  At most \(min(listener.maximumSessions, configuration.maximumSessions)) sessions at one time.",
        ] + proxyAcceptance(listener)
    }

    func proxyAcceptance(_ listener: Configuration.ListenerSettings) -> [String] {
        guard let acceptance = listener.proxyAcceptance else { return [] }
        let networks = acceptance.networks.map(\.description).joined(separator: ", ")
        return [
            "  Connections from \(networks) begin with a PROXY header, whole within \(listener.proxyTimeout.text); "
                + (acceptance.isOptional ? "all others are clients themselves." : "all others are refused.")
        ]
    }

    func rewriting(_ listener: Configuration.ListenerSettings) -> [String] {
        let fields = [
            ("client ID", listener.rewriting.clientID), ("username", listener.rewriting.username),
            ("password", listener.rewriting.password),
        ]
        return fields.compactMap { name, replacement in
            switch replacement {
            case nil: nil
            case .remove: "  Servers see no \(name)."
            case .from(let source, let file):
                "  Servers see as \(name) the \(source.rawValue) of the client"
                    + (file.map { ", as a hash with the key in \($0)." } ?? ".")
            }
        }
    }

    func proxySending(_ backend: Configuration.BackendSettings) -> [String] {
        guard let sending = backend.proxySending else { return [] }
        let fields = Configuration.ProxySending.Field.allCases.filter(sending.fields.contains).map(\.rawValue)
        let checks =
            switch backend.checkHeader {
            case .local: sending.version == 1 ? "say UNKNOWN" : "say LOCAL"
            case .addresses: "say their own addresses"
            case .none: "send none"
            }
        return [
            "  Each connection begins with a PROXY header of version \(sending.version)"
                + (fields.isEmpty ? "" : " with " + fields.joined(separator: ", ")) + "; checks \(checks)."
        ]
    }
}
