// The directive table: how a backend chooses among its servers, and the servers themselves.

import Wire

extension Directive {
    static let balance = Directive(
        "balance", in: .backend, .optional,
        .either([
            .word("least-connections", foreign: ["leastconn", "least_conn"]),
            .word("round-robin", foreign: ["roundrobin", "static-rr", "rr"]),
            .word("source", foreign: ["ip_hash", "sh"]),
            .sequence([
                .word("hash", foreign: ["mqtt_preread_clientid"]), "client-id",
                .options([
                    .init("consistent", nil, "said for people who know NGINX's word: the hash always is"),
                    .init(
                        "bounded-load", ("PERCENT", .integer(101...1000)),
                        "a server gets at most this much of its fair load, the rest goes to the next on the ring"),
                ]),
            ]),
            .word("random", foreign: ["random two", "p2c"]),
            "first",
        ]), default: "least-connections",
        "How a server is chosen for a client that sticks to none.",
        reload: .newSessions, foreign: ["least_conn", "hash", "lb_algo", "ip_hash", "random"],
        apply: { configuration, arguments in
            let words: [(String, Configuration.BackendSettings.Algorithm)] = [
                ("round-robin", .roundRobin), ("source", .source), ("random", .random), ("first", .first),
                ("hash", .hashClientID(loadPercent: arguments.integer("bounded-load"))),
            ]
            configuration.backends.newest.algorithm =
                words.first { arguments.has($0.0) }?.1 ?? .leastConnections
        },
        show: { configuration, index in
            switch configuration.backends[index].algorithm {
            case .leastConnections: ["least-connections"]
            case .roundRobin: ["round-robin"]
            case .source: ["source"]
            case .random: ["random"]
            case .first: ["first"]
            case .hashClientID(let bound): ["hash client-id" + (bound.map { " bounded-load \($0)" } ?? "")]
            }
        })

    /// Times of a server: how long it warms up, how long it is left alone.
    private static let serverTimes = Duration.milliseconds(100)...Duration.seconds(3600)

    static let server = Directive(
        "server", in: .backend, .repeatable(required: true),
        .sequence([
            .value("NAME", .name), .value("HOST:PORT", .server),
            .options([
                .init(
                    "weight", ("N", .integer(0...256)), default: "1",
                    "its share of new sessions; 0: only those that stick to it"),
                .init("backup", nil, "used only when every other server is unusable"),
                .init("disabled", nil, "starts in maintenance, until it is enabled"),
                .init(
                    "max-connections", ("N", .integer(1...10_000_000)),
                    "its most sessions at one time on this host; what is beyond goes to another"),
                .init(
                    "slow-start", ("DURATION", .duration(serverTimes, step: .milliseconds(1))),
                    "how long its weight grows after it was away"),
                .init(
                    "max-fails", ("N", .integer(1...1000)),
                    "sessions that cannot connect, within fail-timeout, that keep others away for as long"),
                .init(
                    "fail-timeout", ("DURATION", .duration(serverTimes, step: .milliseconds(1))),
                    "10s unless written; then one session tries it"),
                .init("websocket", ("TARGET", .webPath), "it speaks MQTT inside a WebSocket, under this path"),
                .init(
                    "host", ("NAME", .hostName), "what the request for its WebSocket says as Host; else the client's own"),
            ]),
        ]),
        "A broker of this backend. A name is looked up; with several addresses there is a server for each, called "
            + "NAME-ADDRESS.",
        reload: .inPlace, foreign: ["real_server", "server-template"],
        apply: { configuration, arguments in
            guard let name = arguments.text("NAME"), let host = host(arguments) else { return }
            var server = Configuration.ServerSettings(name: name, host: host)
            assign(arguments.integer("weight"), to: &server.weight)
            server.backup = arguments.has("backup")
            server.disabled = arguments.has("disabled")
            server.maximumConnections = arguments.integer("max-connections")
            assign(arguments.duration("slow-start"), to: &server.slowStart)
            server.maximumFails = arguments.integer("max-fails")
            assign(arguments.duration("fail-timeout"), to: &server.failTimeout)
            server.webSocket = arguments.text("websocket").map { target in
                Configuration.ServerWebSocketSettings(target: target, host: arguments.text("host"))
            }
            configuration.backends.newest.servers.append(server)
        },
        show: { configuration, index in configuration.backends[index].servers.map { shown($0) } })

    private static func host(_ arguments: Arguments) -> Configuration.ServerSettings.Host? {
        switch arguments.value("HOST:PORT") {
        case .socket(let address): .address(address)
        case .hostName(let name, let port): .name(name, port: port)
        default: nil
        }
    }

    private static func shown(_ server: Configuration.ServerSettings) -> String {
        var words = ["\(server.name) \(written(server.host)) weight \(server.weight)"]
        if server.backup { words.append("backup") }
        if server.disabled { words.append("disabled") }
        if let most = server.maximumConnections { words.append("max-connections \(most)") }
        if server.slowStart > .zero { words.append("slow-start \(server.slowStart.text)") }
        if let fails = server.maximumFails { words.append("max-fails \(fails) fail-timeout \(server.failTimeout.text)") }
        if let webSocket = server.webSocket { words.append(webSocket.text) }
        return words.joined(separator: " ")
    }

    static let resolver = Directive(
        "resolver", in: .top, .optional,
        .sequence([
            .either(["system", .value("ADDRESS:PORT", .socket)]),
            .options([
                .init(
                    "every", ("DURATION", .duration(.milliseconds(100) ... .seconds(86400), step: .milliseconds(1))),
                    default: "30s", "how long an answer is believed"),
                .init(
                    "timeout", ("DURATION", .duration(.milliseconds(10) ... .seconds(60), step: .milliseconds(1))),
                    default: "2s", "how long a question to ADDRESS waits for its answer"),
            ]),
        ]), default: "system every 30s timeout 2s",
        "Who is asked for the addresses of servers that are written by name; without an answer the last one holds.",
        reload: .inPlace, foreign: ["resolvers", "resolve"],
        apply: { configuration, arguments in
            var resolver = Configuration.ResolverSettings()
            resolver.server = arguments.socket("ADDRESS:PORT")
            assign(arguments.duration("every"), to: &resolver.interval)
            assign(arguments.duration("timeout"), to: &resolver.timeout)
            configuration.resolver = resolver
        },
        show: { configuration, _ in
            let resolver = configuration.resolver
            let who = resolver.server.map { written($0) } ?? "system"
            return ["\(who) every \(resolver.interval.text) timeout \(resolver.timeout.text)"]
        })
}

/// A server's place as it is written.
func written(_ host: Configuration.ServerSettings.Host) -> String {
    switch host {
    case .address(let address): written(address)
    case .name(let name, let port): "\(name):\(port)"
    }
}
