// From what the file says of a backend to what balances: names become the servers behind them.

import Balancing
import Configuration
import TLS
import Wire

extension BackendRuntime {
    /// A server with its address.
    struct Placed: Sendable {
        let settings: Server.Settings
        let address: SocketAddress
        /// The name the file has, where that is one.
        let hostName: String?
        /// Where it speaks inside a WebSocket, when it does.
        let webSocket: ServerTransport.WebSocketTarget?
    }

    /// How each server is spoken to, by its index; those that are not in the file any more as before.
    static func transports(
        _ backend: Backend, _ placed: [Placed], _ tls: TLSContext?, former: [ServerTransport] = []
    ) -> [ServerTransport] {
        let byName = Dictionary(placed.map { ($0.settings.name, $0.webSocket) }, uniquingKeysWith: { a, _ in a })
        return backend.servers.indices.map { index in
            let server = backend.servers[index]
            if !server.isRetired, let webSocket = byName[server.settings.name] {
                return ServerTransport(tls: tls, webSocket: webSocket)
            }
            precondition(index < former.count, "a server without a transport")
            return former[index]
        }
    }

    /// The servers of a backend, each with one address.
    ///
    /// A name with one address is one server under its own name, also when the address changes: clients stick to it. With
    /// several there is a server for each, called after its address, so that both hosts and every restart call it the
    /// same. A name nobody has ever answered for has none.
    static func place(
        _ settings: Configuration.BackendSettings, _ answers: [String: NameResolver.Answer]
    ) -> [Placed] {
        settings.servers.flatMap { server -> [Placed] in
            switch server.host {
            case .address(let address):
                return [placed(server, server.name, host: text(address.address), address, hostName: nil)]
            case .name(let name, let port):
                let addresses = (answers[name]?.addresses ?? []).prefix(Configuration.maximumAddressesOfName)
                if addresses.count == 1 {
                    let address = SocketAddress(addresses[0], port: port)
                    return [placed(server, server.name, host: name, address, hostName: name)]
                }
                return addresses.map { address in
                    placed(
                        server, "\(server.name)-\(address)", host: text(address), SocketAddress(address, port: port),
                        hostName: name)
                }
            }
        }
    }

    private static func placed(
        _ server: Configuration.ServerSettings, _ name: String, host: String, _ address: SocketAddress,
        hostName: String?
    ) -> Placed {
        Placed(
            settings: Server.Settings(
                name: name, host: host, port: address.port, weight: server.weight, isBackup: server.backup,
                administrative: server.disabled ? .maintenance : .ready,
                maximumConnections: server.maximumConnections, slowStart: server.slowStart,
                passive: server.maximumFails.map {
                    PassiveSettings(maximumFails: $0, failTimeout: server.failTimeout)
                }),
            address: address, hostName: hostName,
            webSocket: server.webSocket.map { .init(target: $0.target, host: $0.host) })
    }

    private static func text(_ address: IPAddress) -> String {
        switch address {
        case .v4(let v4): "\(v4)"
        case .v6(let v6): "[\(v6)]"
        }
    }

    /// The settings of the balancing value.
    static func translate(
        _ settings: Configuration.BackendSettings, _ placed: [Placed], _ answers: [String: NameResolver.Answer]
    ) -> Backend.Settings {
        let algorithm: Backend.Algorithm =
            switch settings.algorithm {
            case .roundRobin: .roundRobin
            case .leastConnections: .leastConnections
            case .source: .source
            case .random: .random
            case .first: .first
            case .hashClientID(let percent): .hash(loadPercent: percent)
            }
        let check: CheckSettings? =
            settings.check.kind == .none
            ? nil
            : CheckSettings(
                interval: settings.check.interval, fastInterval: settings.check.fastInterval,
                rise: settings.check.rise, fall: settings.check.fall)
        // Two names may lead to one address, and an address may be called like another server: the first has the name.
        var names: Set<String> = []
        var translated = Backend.Settings(
            algorithm: algorithm, check: check,
            servers: placed.filter { names.insert($0.settings.name).inserted }.map(\.settings))
        translated.hasAgent = settings.check.kind == .agent
        // What was never answered for is waited for, but not for ever (``NameBook/patience``).
        translated.isComplete = settings.servers.allSatisfy { server in
            server.hostName.map { answers[$0] != nil } ?? true
        }
        return translated
    }

    static func limits(_ settings: Configuration.BackendSettings) -> Limits {
        Limits(
            connectTimeout: settings.connectTimeout.nanoseconds, connackTimeout: settings.connackTimeout.nanoseconds,
            maximumTries: settings.maximumTries, proxySending: settings.proxySending)
    }

    /// The address of every server of the value, by index; a retired one keeps its own.
    static func addresses(
        _ backend: Backend, _ placed: [Placed], former: [SocketAddress] = []
    ) -> [SocketAddress] {
        let byName = Dictionary(
            placed.map { ($0.settings.name, $0.address) }, uniquingKeysWith: { first, _ in first })
        return backend.servers.indices.map { index in
            let server = backend.servers[index]
            if !server.isRetired, let address = byName[server.settings.name] { return address }
            precondition(index < former.count, "a server without an address")
            return former[index]
        }
    }
}

/// The routes of one listener, with the numbers of its backends.
extension RouteTable {
    /// - Parameter number: the number of the backend of a name; `nil`: there is none.
    /// - Returns: `nil` when a rule names an unknown backend.
    static func translate(
        _ settings: Configuration.ListenerSettings, otherwise fallback: UInt32, number: (String) -> UInt32?
    ) -> RouteTable? {
        var rules: [Rule] = []
        for route in settings.routes {
            guard let backend = number(route.backend) else { return nil }
            let condition: Condition =
                switch route.condition {
                case .sni(let text): .serverName(Pattern(text, ignoresCase: true))
                case .username(let text): .username(Pattern(text))
                case .clientID(let text): .clientIDPrefix(Array(text.utf8))
                case .certificateName(let text): .certificateName(Pattern(text))
                case .percentage(let hundredths): .share(hundredths)
                }
            rules.append(Rule(condition, backend: backend))
        }
        return RouteTable(rules, otherwise: fallback)
    }
}
