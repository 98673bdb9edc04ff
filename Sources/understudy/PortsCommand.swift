// `understudy ports`: what a firewall has to let through for a configuration.

import Configuration
import Linux
import Wire

/// `understudy ports [FILE] [--node NAME] [--json]`.
enum PortsCommand {
    static let subcommand = Understudy.Subcommand(
        name: "ports", arguments: "[FILE] [--node NAME] [--json]", purpose: "what a firewall has to let through", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try CommandLineOptions(arguments, flags: ["--json"], values: ["--node"], words: 0...1)
            let path = options.words.first ?? SystemFacts.configurationPath
            let outcome = try SystemFacts.configuration(path, node: options.value("--node"))
            guard let configuration = outcome.configuration else {
                Understudy.complain(outcome.text + "\n")
                return Understudy.Status.refused
            }
            let passages = passages(configuration)
            if options.has("--json") {
                print(JSON.array(passages).prettyText)
            } else {
                print(TextTable(passages).text, terminator: "")
            }
            return Understudy.Status.done
        } catch let wrong as CommandLineOptions.Wrong {
            return Understudy.wrongUsage(wrong.message, of: subcommand)
        } catch {
            Understudy.complain("understudy: cannot read the configuration: \(error)\n")
        }
        return Understudy.Status.refused
    }

    /// What comes to this host and goes from it, each once: first what comes.
    private static func passages(_ configuration: Configuration) -> [JSON] {
        var found: [JSON] = []
        func add(_ direction: String, _ kind: String, _ place: String, _ purpose: String) {
            let passage = JSON.object([
                JSON.Member("direction", JSON(direction)), JSON.Member("protocol", JSON(kind)), JSON.Member("place", JSON(place)),
                JSON.Member("for", JSON(purpose)),
            ])
            if !found.contains(passage) { found.append(passage) }
        }
        for listener in configuration.listeners {
            for bind in listener.binds { add("in", "tcp", text(bind), "listener \(listener.name)") }
        }
        for bind in configuration.statusBinds { add("in", "tcp", text(bind), "status pages") }
        if let pair = configuration.pair, let local = configuration.local, let peer = configuration.peer {
            for direction in ["in", "out"] {
                let host = direction == "in" ? local.address : peer.address
                add(direction, "tcp", SocketAddress(host, port: pair.port).description, "the pair, with \(peer.name)")
            }
        }
        for router in configuration.routers {
            for family in Set(router.addresses.map(\.address.family)).sorted(by: { $0 == .ipv4 && $1 == .ipv6 }) {
                for host in others(of: router, configuration, family) {
                    for direction in ["in", "out"] { add(direction, "vrrp (112)", host, "virtual router \(router.name)") }
                }
            }
        }
        for backend in configuration.backends {
            for server in backend.servers {
                add("out", "tcp", text(server.host), "backend \(backend.name)")
                if backend.check.port != nil || backend.check.address != nil {
                    add("out", "tcp", text(checked(server.host, backend.check)), "checks of backend \(backend.name)")
                }
            }
        }
        if let server = configuration.resolver.server { add("out", "udp", server.description, "names of servers") }
        for target in configuration.log.targets {
            if case .syslog(let address) = target.destination { add("out", "udp", address.description, "the log") }
        }
        return found.filter { $0["direction"]?.string == "in" } + found.filter { $0["direction"]?.string == "out" }
    }

    /// Where adverts of a router go, and come from.
    private static func others(
        of router: Configuration.VirtualRouterSettings, _ configuration: Configuration, _ family: AddressFamily
    ) -> [String] {
        // RFC 9568, 5.1.1.2 and 5.1.2.2.
        if router.transport == .multicast { return [family == .ipv4 ? "224.0.0.18" : "ff02::12"] }
        let peers = router.peers.isEmpty ? configuration.peer?.addresses ?? [] : router.peers
        return peers.filter { $0.family == family }.map(\.description)
    }

    private static func checked(
        _ host: Configuration.ServerSettings.Host, _ check: Configuration.CheckSettings
    ) -> Configuration.ServerSettings.Host {
        switch host {
        case .address(let own): .address(SocketAddress(check.address ?? own.address, port: check.port ?? own.port))
        case .name(let name, let port):
            if let address = check.address {
                .address(SocketAddress(address, port: check.port ?? port))
            } else {
                .name(name, port: check.port ?? port)
            }
        }
    }

    private static func text(_ host: Configuration.ServerSettings.Host) -> String {
        switch host {
        case .address(let address): address.description
        case .name(let name, let port): "\(name):\(port)"
        }
    }

    /// A bind as the file has it.
    private static func text(_ bind: SocketAddress) -> String {
        bind.address == .v6(IPv6Address(high: 0, low: 0)) ? "*:\(bind.port)" : bind.description
    }
}
