// What a configuration means on this host, in words: the answer of `understudy check`.

import Wire

/// A configuration explained: who this host is, when it takes over, what listens, what is balanced and how.
package struct Explanation: Sendable {
    let configuration: Configuration

    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// The explanation for people.
    package var text: String {
        var paragraphs = [identity]
        paragraphs += configuration.routers.map(router)
        paragraphs += configuration.syncGroups.map(group)
        paragraphs += configuration.listeners.map(listener)
        paragraphs += configuration.backends.map(backend)
        paragraphs += configuration.tables.map(table)
        paragraphs += [daemon, defaults]
        return paragraphs.filter { !$0.isEmpty }.map { $0.joined(separator: "\n") + "\n" }.joined(separator: "\n")
    }

    private var identity: [String] {
        guard let local = configuration.local else {
            return ["One host, no virtual address: the balancer runs alone."]
        }
        guard let peer = configuration.peer else { return ["This host is \(local.name) (\(local.address))."] }
        var lines = ["This host is \(local.name) (\(local.address)); its peer is \(peer.name) (\(peer.address))."]
        if let pair = configuration.pair {
            lines.append("  The pair link is TLS on port \(pair.port) with the secret in \(pair.secretPath).")
        }
        return lines
    }

    private func listener(_ listener: Configuration.ListenerSettings) -> [String] {
        let binds = listener.binds.map { written($0) }.joined(separator: ", ")
        if listener.protocol.isOpaque { return opaque(listener, binds) }
        let idle = listener.idleTimeout?.text ?? "1.5 × its own keep-alive"
        var lines = ["Listener \(listener.name): \(spoken(listener)) on \(binds), to the backend \(listener.backend)."]
        lines += listener.routes.map { "  Before that, to the backend \($0.backend) when \(written($0.condition))." }
        lines += listener.tls.map(encryption) ?? []
        lines += trusted(listener)
        return lines + [
            "  A client must send its CONNECT within \(listener.connectDeadline.text), in at most "
                + "\(SizeText.text(listener.maximumConnectSize)); a session ends after a silence of \(idle).",
            "  At most \(min(listener.maximumSessions, configuration.maximumSessions)) sessions at one time.",
        ] + admission(listener.admission) + proxyAcceptance(listener) + rewriting(listener)
    }

    private func table(_ table: Configuration.TableSettings) -> [String] {
        [
            "Stick table \(table.name): up to \(CountText.text(table.size)) client IDs, each forgotten "
                + "\(table.expire.text) after its client has gone; "
                + (table.replicates ? "the same on both nodes." : "on this host only.")
        ]
    }

    private var daemon: [String] {
        let loops = configuration.loops.map { "\($0) event loops" } ?? "one event loop for each core"
        let target = configuration.log.targetsText
        return [
            "The balancer runs \(loops), as the user \(configuration.user) when started by root.",
            "  Commands reach it at \(configuration.admin.socketPath); "
                + "it logs to \(target) from level \(configuration.log.level) up.",
            "  A stop ends sessions between two packets, "
                + (configuration.drain.rate.map { "at most \($0) a second" } ?? "all at once")
                + ", and cuts after \(configuration.drain.deadline.text) what has not ended.",
        ] + statusPages + sessionLog
    }

    private var statusPages: [String] {
        let places = configuration.statusBinds.map { written($0) }
        guard !places.isEmpty else { return [] }
        return ["  Status pages are served at \(places.joined(separator: ", ")): /, /stub_status, /status.json, /status.csv, /metrics."]
    }

    /// Every setting that holds because nothing else was written.
    private var defaults: [String] {
        var lines: [String] = []
        for block in configuration.blocks {
            let texts = block.settings.filter(\.isDefault).map { "\($0.directive.name) \($0.arguments[0])" }
            guard !texts.isEmpty else { continue }
            lines.append("  \(block.title.isEmpty ? "top level" : block.title): " + texts.joined(separator: "; "))
        }
        return lines.isEmpty ? [] : ["At their defaults:"] + lines
    }
}
