// Cross-checks of rules, sources and checks: what one line of them cannot know.

import Wire

extension CrossCheck {
    /// The `use` lines of each listener: one condition each, one default at the end.
    mutating func checkRoutes() {
        for object in draft.objects(.listen) {
            let lines = draft.all(.use, in: object)
            var plain: Draft.Occurrence?
            var share = 0
            for line in lines {
                let conditions = Directive.routeOptions.filter { line.arguments.value($0.keyword) != nil }
                if conditions.count > 1 {
                    error(
                        "\(conditions[0].keyword) and \(conditions[1].keyword) in one use", at: line.range,
                        help: "a use looks at one thing; write one line for each")
                } else if line.arguments.has("when") != !conditions.isEmpty {
                    let names = Directive.routeOptions.map(\.keyword).joined(separator: ", ")
                    error(
                        conditions.isEmpty ? "when what?" : "\(conditions[0].keyword) without when", at: line.range,
                        help: "write: use BACKEND when \(conditions.first?.keyword ?? "sni") …; there is: \(names)")
                } else if let plain {
                    error(
                        conditions.isEmpty ? "a second use without when" : "this use is never reached", at: line.range,
                        help: "the use without when is the last: it takes everybody who is left",
                        notes: [.init("it is here", at: plain.range)])
                } else if conditions.isEmpty {
                    plain = line
                }
                if let part = line.arguments.integer("percentage") {
                    share += part
                    if share > 10_000 {
                        error(
                            "the percentages of this listener add up to \(PercentText.text(share))", at: line.range,
                            help: "100% is everybody")
                    }
                }
            }
            if plain == nil, let last = lines.last, !draft.isDoubtful(object), !hasErrors {
                error(
                    "this listener has no backend for everybody else", at: last.range.behind,
                    help: "add a last line without when: use BACKEND")
            }
        }
    }

    /// The `source` lines of each backend.
    mutating func checkSources(_ host: Host) {
        for object in draft.objects(.backend) {
            var seen: [String: SourceRange] = [:]
            var shares: [String: Int] = [:]
            for line in draft.all(.source, in: object) {
                let address = line.arguments.address("ADDRESS")
                let node = line.arguments.text("node") ?? ""
                if let address, let reason = address.unusable {
                    error("\(address) \(reason)", at: line.range, help: "write an address of this host, or *")
                    continue
                }
                let key = "\(address.map { "\($0)" } ?? "*") \(node)"
                if let other = seen[key] {
                    error(
                        "this source is written twice", at: line.range,
                        notes: [.init("the first one is here", at: other)])
                    continue
                }
                seen[key] = line.range
                if !node.isEmpty, !configuration.nodes.contains(where: { $0.name == node }) {
                    let names = configuration.nodes.map(\.name).joined(separator: ", ")
                    error(
                        "no node is called \"\(node)\"", at: line.arguments.range("node"),
                        help: names.isEmpty ? "leave node out: the file has no nodes" : "there is: \(names)")
                }
                if let part = line.arguments.integer("share") {
                    shares[node, default: 0] += part
                    if shares[node, default: 0] > 10_000 {
                        error(
                            "the shares of these sources add up to \(PercentText.text(shares[node, default: 0]))",
                            at: line.range, help: "100% is everybody")
                    }
                }
                checkPresence(address, line, host)
            }
        }
    }

    /// A warning only: the file is the same on both hosts. Where it matters, at the start, it is refused.
    private mutating func checkPresence(_ address: IPAddress?, _ line: Draft.Occurrence, _ host: Host) {
        guard let address, !host.addresses.isEmpty, !host.addresses.contains(address), !address.isLoopback else {
            return
        }
        let nodes = configuration.nodes
        if let node = line.arguments.text("node"),
            let own = nodes.first(where: { host.node == $0.name || host.addresses.contains($0.address) }),
            own.name != node
        {
            return
        }
        warn(
            "this host does not have the address \(address)", at: line.range,
            help: nodes.isEmpty
                ? "the daemon refuses to start without it"
                : "the daemon refuses to start without it; if the other host has it, write: node NODE")
    }

    /// What a kind of check needs.
    mutating func checkChecks() {
        for object in draft.objects(.backend) {
            guard let line = draft.first(.check, in: object) else { continue }
            let check = configuration.backends[object.index].check
            if check.kind == .agent, check.port == nil {
                error(
                    "an agent answers at a port of its own", at: line.range.behind,
                    help: "add: port N")
            }
            checkEncryption(check, of: configuration.backends[object.index], at: line.range)
            if let fast = check.fastInterval, fast > check.interval {
                error(
                    "fast-interval \(fast.text) is longer than the interval, \(check.interval.text)", at: line.range,
                    help: "it is the interval while the verdict is open: write a shorter one")
            }
            if check.password != nil, check.username == nil, !check.isVersion5 {
                error(
                    "a password without a username", at: line.range,
                    help: "MQTT 3.1.1 does not allow it (3.1.2.9); add: username TEXT")
            }
            if check.kind == .http, check.drainStatus == check.expectedStatus {
                error("expect and drain are the same status", at: line.range, help: "one of them has to differ")
            }
        }
    }

    /// A check that speaks TLS goes by the settings the sessions have.
    private mutating func checkEncryption(
        _ check: Configuration.CheckSettings, of backend: Configuration.BackendSettings, at range: SourceRange
    ) {
        if backend.tls == nil {
            guard check.kind == .tls || check.isEncrypted else { return }
            error(
                "this check speaks TLS, and the backend says nothing about it", at: range,
                help: "add: tls { ca FILE; server-name NAME }")
        } else if check.isEncrypted, check.port == nil, check.address == nil {
            warn(
                "tls says nothing new: servers of this backend are asked as their sessions speak", at: range,
                help: "leave tls out, or name the port or address it is for")
        }
    }
}
