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

    private func router(_ router: Configuration.VirtualRouterSettings) -> [String] {
        let addresses = router.addresses.map(\.description).joined(separator: ", ")
        var lines = [
            "Virtual address \(addresses) on \(router.interface) (vrrp \(router.name), router-id \(router.routerID))."
        ]
        guard let local = configuration.local, let peer = configuration.peer else { return lines }
        let theirs = router.priority(on: peer)
        let first = Self.isPreferred(local, router.priority, over: peer, theirs) ? local : peer
        let transport = router.transport == .unicast ? "unicast" : "multicast"
        lines.append(
            "  Priority \(router.priority) here, \(theirs) on \(peer.name): when both start together, "
                + "\(first.name) becomes active.")
        lines.append("  The active node sends an advert every \(router.advertInterval.text) by \(transport).")
        lines.append(
            "  When \(peer.name) falls silent, this host takes over after "
                + "\(Self.short(router.downInterval(priority: router.priority))) "
                + "(3 × \(router.advertInterval.text) + \(Self.short(router.skew(priority: router.priority))) skew);")
        lines.append(
            "  when this host falls silent, \(peer.name) takes over after "
                + "\(Self.short(router.downInterval(priority: theirs))).")
        lines.append(
            "  When the active node leaves on purpose, the other follows within "
                + "\(Self.short(max(router.skew(priority: router.priority), router.skew(priority: theirs)))).")
        switch router.preempt {
        case .never: lines.append("  A node that comes back leaves the address where it is (preempt never).")
        case .after(let delay):
            lines.append("  A node of higher priority takes the address back once it is ready for \(delay.text).")
        }
        if !router.trackedInterfaces.isEmpty {
            lines.append("  Also up must be: \(router.trackedInterfaces.joined(separator: ", ")).")
        }
        return lines
    }

    /// RFC 9568, 6.4.3: equal priorities are decided by the higher address.
    private static func isPreferred(
        _ a: Configuration.Node, _ priority: UInt8, over b: Configuration.Node, _ other: UInt8
    ) -> Bool {
        priority == other ? a.address > b.address : priority > other
    }

    /// A computed duration to a tenth of a millisecond.
    private static func short(_ duration: Duration) -> String {
        Duration.microseconds((duration.nanoseconds / 1000 + 50) / 100 * 100).text
    }

    private func listener(_ listener: Configuration.ListenerSettings) -> [String] {
        let binds = listener.binds.map { written($0) }.joined(separator: ", ")
        if listener.protocol.isOpaque { return opaque(listener, binds) }
        let idle = listener.idleTimeout?.text ?? "1.5 × its own keep-alive"
        return [
            "Listener \(listener.name): MQTT on \(binds), to the backend \(listener.backend).",
            "  A client must send its CONNECT within \(listener.connectDeadline.text), in at most "
                + "\(SizeText.text(listener.maximumConnectSize)); a session ends after a silence of \(idle).",
            "  At most \(min(listener.maximumSessions, configuration.maximumSessions)) sessions at one time.",
        ] + proxyAcceptance(listener) + rewriting(listener)
    }

    private func backend(_ backend: Configuration.BackendSettings) -> [String] {
        let algorithm =
            switch backend.algorithm {
            case .leastConnections: "to the server with the fewest sessions for its weight"
            case .roundRobin: "to each server in turn, by weight"
            case .hashClientID: "by a hash of the client ID, by weight"
            case .source: "by a hash of the client's address, by weight"
            }
        var lines = ["Backend \(backend.name): clients go \(algorithm)."]
        if let table = backend.stickTable {
            lines[0] = "Backend \(backend.name): clients go back to the server the table \(table) names;"
            lines.append("  those it does not know go \(algorithm).")
        }
        for server in backend.servers {
            lines.append(
                "  Server \(server.name): \(written(server.address)), "
                    + (server.weight == 0 ? "only sessions that stick to it" : "weight \(server.weight)")
                    + (server.backup ? ", only when no other is usable" : "")
                    + (server.disabled ? ", disabled until somebody enables it" : "") + ".")
        }
        let check = backend.check
        switch check.kind {
        case .none: lines.append("  Nobody checks their health.")
        case .tcp, .mqtt:
            let what = check.kind == .tcp ? "A connection" : "An MQTT connect"
            lines.append(
                "  Health: \(what) every \(check.interval.text), answered within \(check.timeout.text); "
                    + "down after \(check.fall) failures, up after \(check.rise) successes.")
        }
        lines += proxySending(backend)
        lines.append(
            "  A CONNECT is tried on up to \(min(backend.maximumTries, backend.servers.count)) of them: "
                + "\(backend.connectTimeout.text) to connect, \(backend.connackTimeout.text) for the CONNACK.")
        return lines
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
        let target = configuration.log.target == .journal ? "the journal" : "standard error"
        return [
            "The balancer runs \(loops), as the user \(configuration.user) when started by root.",
            "  Commands reach it at \(configuration.admin.socketPath); "
                + "it logs to \(target) from level \(configuration.log.level) up.",
        ]
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
