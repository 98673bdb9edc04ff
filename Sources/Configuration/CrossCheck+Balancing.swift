// Cross-checks of the balancer: listeners, backends, stick tables, and the ports they share with the rest.

import Wire

extension CrossCheck {
    /// Ports on which EMQX nodes speak to each other; a client there is an attacker.
    private static let clusterPorts: Set<UInt16> = [4369, 4370, 5370]
    /// Ports people know for something a plain MQTT listener does not speak.
    private static let knownPorts: [UInt16: String] = [
        8883: "MQTT over TLS", 8083: "MQTT over WebSocket", 8084: "MQTT over WebSocket and TLS",
    ]

    private var binds: [Place<SocketAddress>] { sockets(.bind) + sockets(.statusBind) }
    private var servers: [Place<SocketAddress>] { sockets(.server, "HOST:PORT") }

    private func sockets(_ directive: Directive, _ key: String = "ADDRESS:PORT") -> [Place<SocketAddress>] {
        places(directive) { arguments in
            arguments.socket(key).flatMap { socket in arguments.range(key).map { (socket, $0) } }
        }
    }

    mutating func checkListeners() {
        let binds = binds
        let virtual = virtualPlaces
        // Files may have thousands of them: each is compared with those of its port.
        var former: [UInt16: [Place<SocketAddress>]] = [:]
        for bind in binds {
            defer { former[bind.value.port, default: []].append(bind) }
            if bind.value.address.isMulticast {
                error("\(bind.value.address) is a multicast address", at: bind.range)
            } else if let other = former[bind.value.port]?.first(where: { $0.value.overlaps(bind.value) }) {
                let reason =
                    other.value == bind.value
                    ? "\(written(bind.value)) is bound twice"
                    : "\(written(bind.value)) and \(written(other.value)) share port \(bind.value.port)"
                error(
                    reason, at: bind.range, help: "give each listener its own address and port",
                    notes: [.init("the other one is here", at: other.range)])
            } else {
                checkPairPort(bind)
                checkPort(bind)
                checkVirtual(bind, virtual)
            }
        }
        checkLimits()
        checkStatus()
    }

    /// Whoever reaches the status pages reads them.
    private mutating func checkStatus() {
        for bind in sockets(.statusBind) where !bind.value.address.isLoopback {
            warn(
                "everybody who reaches \(written(bind.value)) may read the names and counts of servers", at: bind.range,
                help: "bind it to 127.0.0.1, or keep others away with a firewall")
        }
    }

    private mutating func checkPairPort(_ bind: Place<SocketAddress>) {
        guard let pair = configuration.pair, pair.port == bind.value.port,
            let node = configuration.nodes.first(where: { bind.value.covers($0.address) })
        else { return }
        let pairObject = Draft.Object(context: .pair, index: 0)
        let other = draft.first(.pairPort, in: pairObject)?.range ?? draft.headers[pairObject]
        error(
            "port \(pair.port) on \(node.address) belongs to the pair link", at: bind.range,
            help: "choose another port here or in pair",
            notes: other.map { [.init("the pair link is set here", at: $0)] } ?? [])
    }

    private mutating func checkPort(_ bind: Place<SocketAddress>) {
        let port = bind.value.port
        if Self.clusterPorts.contains(port) {
            warn(
                "\(port) is a port EMQX nodes use among themselves", at: bind.range,
                help: "never offer it to clients; MQTT is 1883")
        } else if let known = Self.knownPorts[port], !speaks(bind, port) {
            warn(
                "\(port) is known as the port of \(known), and this listener speaks plain MQTT", at: bind.range,
                help: "MQTT is 1883")
        } else if port < 1024, configuration.nodes.isEmpty {
            warn(
                "port \(port) needs root or the capability CAP_NET_BIND_SERVICE", at: bind.range,
                help: "ports from 1024 on need neither")
        }
    }

    /// Whether the listener of a bind speaks what its port is known for.
    private func speaks(_ bind: Place<SocketAddress>, _ port: UInt16) -> Bool {
        let listener = configuration.listeners[bind.object.index]
        // What is passed as it is may be anything.
        guard !listener.protocol.isOpaque else { return true }
        // A protocol that was not understood may have meant it.
        let isDoubtful = draft.isWritten(.protocol, in: bind.object) && draft.first(.protocol, in: bind.object) == nil
        let isFramed = listener.webSocket != nil || isDoubtful
        return switch port {
        case 8883: isEncrypted(bind)
        case 8083: isFramed
        default: isFramed && isEncrypted(bind)
        }
    }

    /// Whether the listener of a bind has a tls block, understood or not.
    private func isEncrypted(_ bind: Place<SocketAddress>) -> Bool {
        draft.isWritten(.listenTLS, in: bind.object)
    }

    /// Where each virtual address is written first.
    private var virtualPlaces: [IPAddress: SourceRange] {
        Dictionary(virtualAddresses.map { ($0.value.address, $0.range) }) { first, _ in first }
    }

    private mutating func checkVirtual(_ bind: Place<SocketAddress>, _ virtual: [IPAddress: SourceRange]) {
        guard let range = virtual[bind.value.address] else { return }
        warn(
            "the standby does not have \(bind.value.address) yet when it binds", at: bind.range,
            help: "write *:\(bind.value.port): then both hosts listen before the address arrives",
            notes: [.init("it is a virtual address", at: range)])
    }

    private mutating func checkLimits() {
        guard let all = draft.first(.limitSessions, in: .top), let most = all.arguments.integer("N") else { return }
        for object in draft.objects(.listen) {
            guard let own = draft.first(.limitConnections, in: object), let limit = own.arguments.integer("N"),
                limit > most
            else { continue }
            warn(
                "this listener never reaches \(limit): all sessions together end at \(most)", at: own.range,
                help: "raise limit sessions, or lower this one",
                notes: [.init("the limit of all is here", at: all.range)])
        }
    }
}

// MARK: Backends

extension CrossCheck {
    mutating func checkBackends() {
        let binds = Dictionary(grouping: binds) { $0.value.port }
        let virtual = virtualPlaces
        var twins: [Draft.Object: [SocketAddress: SourceRange]] = [:]
        for server in servers {
            let address = server.value.address
            let twin = twins[server.object]?[server.value]
            if twin == nil { twins[server.object, default: [:]][server.value] = server.range }
            if let reason = address.unusable {
                error("\(written(server.value)) \(reason)", at: server.range, help: "write the broker's address")
            } else if let range = virtual[address] {
                error(
                    "the server has the virtual address \(address)", at: server.range,
                    help: "write the broker's own address: the virtual one leads back here",
                    notes: [.init("it is a virtual address", at: range)])
            } else if let bind = listenerReached(by: server.value, binds[server.value.port] ?? []) {
                error(
                    "\(server.value) leads back to this balancer", at: server.range,
                    help: "write the broker's address and port",
                    notes: [.init("the listener is here", at: bind.range)])
            } else if let twin {
                error(
                    "two servers of this backend have the address \(server.value)", at: server.range,
                    help: "one server with a weight does the same",
                    notes: [.init("the other one is here", at: twin)])
            } else if Self.clusterPorts.contains(server.value.port) {
                warn(
                    "\(server.value.port) is a port EMQX nodes use among themselves, not MQTT", at: server.range,
                    help: "MQTT is 1883")
            }
        }
        for object in draft.objects(.backend) {
            checkUsable(object)
            checkHealth(object)
        }
    }

    /// The listener that a connection to `server` would reach on this very host or its peer.
    ///
    /// - Parameter binds: those with its port.
    private func listenerReached(by server: SocketAddress, _ binds: [Place<SocketAddress>]) -> Place<SocketAddress>? {
        let isOwn = server.address.isLoopback || configuration.nodes.contains { $0.address == server.address }
        guard isOwn else { return nil }
        return binds.first { $0.value.covers(server.address) }
    }

    private mutating func checkUsable(_ object: Draft.Object) {
        let servers = configuration.backends[object.index].servers
        guard !servers.isEmpty, servers.count == draft.all(.server, in: object).count else { return }
        let header = draft.headers[object]
        if servers.allSatisfy(\.disabled) {
            warn(
                "no server of this backend takes clients: all are disabled", at: header,
                help: "enable one with: understudy enable SERVER")
        } else if servers.allSatisfy({ $0.weight == 0 || $0.disabled }) {
            warn(
                "no server of this backend takes new clients: the weight of each is 0", at: header,
                help: "give one a weight from 1 to 256")
        } else if servers.allSatisfy(\.backup) {
            warn("every server of this backend is a backup", at: header, help: "leave backup out")
        }
    }

    private mutating func checkHealth(_ object: Draft.Object) {
        let backend = configuration.backends[object.index]
        guard let written = draft.first(.check, in: object) else { return }
        if backend.check.kind == .none, let stick = draft.first(.stick, in: object) {
            warn(
                "clients stick to servers that nobody checks", at: written.range,
                help: "a dead server is then noticed only by those who try it; write: check mqtt",
                notes: [.init("they stick here", at: stick.range)])
        } else if backend.check.kind != .none, backend.check.timeout > backend.check.interval {
            warn(
                "a check may take \(backend.check.timeout.text), longer than the \(backend.check.interval.text) "
                    + "to the next one", at: written.range, help: "a check that is late delays the next; lower timeout")
        }
    }
}

// MARK: Tables

extension CrossCheck {
    mutating func checkTables() {
        for object in draft.objects(.stickTable) {
            let table = configuration.tables[object.index]
            let replicate = draft.first(.replicate, in: object)
            if let replicate, configuration.pair == nil, !draft.isDoubtful(.top) {
                error(
                    "a table is replicated to the other node, and the file has no pair", at: replicate.range,
                    help: "add: \(Directive.pair.usage), or leave replicate out")
            }
            guard !hasErrors else { continue }
            if !table.replicates, configuration.pair != nil {
                warn(
                    "the table \(table.name) stays on one node: after a failover its clients are strangers",
                    at: draft.headers[object], help: "add: replicate")
            }
            if !configuration.backends.contains(where: { $0.stickTable == table.name }) {
                warn(
                    "no backend uses the table \(table.name)", at: draft.headers[object],
                    help: "add to a backend: stick on client-id table \(table.name)")
            }
        }
        guard !hasErrors else { return }
        for object in draft.objects(.backend) {
            let backend = configuration.backends[object.index]
            if !configuration.listeners.contains(where: { listener in
                listener.backend == backend.name || listener.routes.contains { $0.backend == backend.name }
            }) {
                warn(
                    "no listener uses the backend \(backend.name)", at: draft.headers[object],
                    help: "add to a listener: use \(backend.name)")
            }
        }
    }
}

extension SocketAddress {
    /// Whether a listener bound here accepts connections to `other`; `*` takes both families.
    fileprivate func covers(_ other: IPAddress) -> Bool {
        address == other || (address.isUnspecified && (address.family == .ipv6 || other.family == .ipv4))
    }

    /// Whether two listeners would want the same connections.
    fileprivate func overlaps(_ other: SocketAddress) -> Bool {
        port == other.port && (covers(other.address) || other.covers(address))
    }
}
