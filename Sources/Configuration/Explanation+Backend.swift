// A backend explained: how servers are chosen, who they are, how they are asked, where connections come from.

import Wire

extension Explanation {
    func backend(_ backend: Configuration.BackendSettings) -> [String] {
        let algorithm =
            switch backend.algorithm {
            case .leastConnections: "to the server with the fewest sessions for its weight"
            case .roundRobin: "to each server in turn, by weight"
            case .source: "by a hash of their address, by weight"
            case .random: "to the less loaded of two servers drawn by weight"
            case .first: "to the first server that has room"
            case .hashClientID(nil): "by a hash of the client ID, by weight"
            case .hashClientID(let percent?):
                "by a hash of the client ID, by weight, no server above \(percent)% of its fair load"
            }
        var lines = ["Backend \(backend.name): clients go \(algorithm)."]
        if let table = backend.stickTable {
            lines[0] = "Backend \(backend.name): clients go back to the server the table \(table) names;"
            lines.append("  those it does not know go \(algorithm).")
        }
        lines += backend.servers.map { server($0) }
        if backend.servers.contains(where: { $0.hostName != nil }) {
            let resolver = configuration.resolver
            let who = resolver.server.map { "the name server \(written($0))" } ?? "the system"
            lines.append(
                "  Names are looked up by \(who) every \(resolver.interval.text); the last good answer holds, of up to "
                    + "\(Configuration.maximumAddressesOfName) addresses each.")
        }
        lines += health(backend)
        lines += proxySending(backend)
        lines.append(
            "  A CONNECT is tried on up to \(tries(backend)) of them: "
                + "\(backend.connectTimeout.text) to connect, \(backend.connackTimeout.text) for the CONNACK.")
        if let tls = backend.tls { lines += encryption(tls) }
        return lines + sources(backend)
    }

    private func tries(_ backend: Configuration.BackendSettings) -> Int {
        backend.servers.contains { $0.hostName != nil }
            ? backend.maximumTries : min(backend.maximumTries, backend.servers.count)
    }

    private func server(_ server: Configuration.ServerSettings) -> String {
        var text = "  Server \(server.name): \(written(server.host)), "
        text = text.dropLast(2) + spoken(server) + ", "
        text += server.weight == 0 ? "only sessions that stick to it" : "weight \(server.weight)"
        if server.backup { text += ", only when no other is usable" }
        if server.disabled { text += ", disabled until somebody enables it" }
        if let most = server.maximumConnections { text += ", at most \(most) sessions" }
        if server.slowStart > .zero { text += ", its weight grows over \(server.slowStart.text) when it comes back" }
        if let fails = server.maximumFails {
            text += ", left alone for \(server.failTimeout.text) after \(fails) failed connections"
        }
        return text + "."
    }

    private func health(_ backend: Configuration.BackendSettings) -> [String] {
        let check = backend.check
        let what: String
        switch check.kind {
        case .none: return ["  Nobody checks their health."]
        case .tcp: what = "A connection"
        case .tls: what = "A TLS handshake"
        case .mqtt: what = (check.isVersion5 ? "An MQTT 5.0 connect" : "An MQTT connect") + layers(backend)
        case .http: what = "GET \(check.path)" + layers(backend) + ", status \(check.expectedStatus),"
        case .agent: what = "A line of the agent"
        }
        let place = [check.address.map { "at \($0)" }, check.port.map { "on port \($0)" }].compactMap { $0 }
        var lines = [
            "  Health: \(([what] + place).joined(separator: " ")) every \(check.interval.text), answered within "
                + "\(check.timeout.text); down after \(check.fall) failures, up after \(check.rise) successes."
        ]
        if let status = check.drainStatus { lines.append("  Status \(status) means: alive, but no new sessions.") }
        switch backend.onDown {
        case .keep: lines.append("  A server that is down keeps its sessions.")
        case .close(let spread):
            let pace = spread.map { "over \($0.text)" } ?? "at 2000 a second"
            lines.append("  The sessions of a server that is down are closed \(pace).")
        }
        return lines
    }

    /// What is around a check.
    private func layers(_ backend: Configuration.BackendSettings) -> String {
        let check = backend.check
        let isElsewhere = check.port != nil || check.address != nil
        var text = backend.tls != nil && (!isElsewhere || check.isEncrypted) ? " over TLS" : ""
        if check.kind == .mqtt, !isElsewhere, backend.servers.contains(where: { $0.webSocket != nil }) {
            text += " through the WebSocket"
        }
        return text
    }

    private func sources(_ backend: Configuration.BackendSettings) -> [String] {
        let sources = configuration.sources(of: backend)
        guard !sources.isEmpty else { return [] }
        let texts = sources.map { source in
            (source.address.map { "\($0)" } ?? "the kernel's choice")
                + (source.share.map { " for \(PercentText.text($0)) of the clients" } ?? "")
        }
        return ["  Connections to them come from " + texts.joined(separator: ", ") + "."]
    }
}
