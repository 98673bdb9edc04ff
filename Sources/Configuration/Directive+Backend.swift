// The directive table: backend and stick-table, the side of the brokers.

import Wire

extension Directive {
    /// How long a check, a connect or an answer may take.
    private static let waits = Duration.milliseconds(10)...Duration.seconds(300)

    static let backendDirectives =
        [balance, stick, server, check, timeoutConnect, timeoutConnack, tries] + backendProxyDirectives

    static let balance = Directive(
        "balance", in: .backend, .optional,
        .either([
            .word("least-connections", foreign: ["leastconn", "least_conn"]),
            .word("round-robin", foreign: ["roundrobin", "static-rr", "rr"]),
            .sequence([.word("hash", foreign: ["mqtt_preread_clientid"]), "client-id"]),
            .word("source", foreign: ["ip_hash", "iphash"]),
        ]), default: "least-connections",
        "How a server is chosen for a client that sticks to none.",
        reload: .newSessions, foreign: ["least_conn", "hash", "ip_hash", "lb_algo"],
        apply: { configuration, arguments in
            if arguments.has("round-robin") {
                configuration.backends.newest.algorithm = .roundRobin
            } else if arguments.has("hash") {
                configuration.backends.newest.algorithm = .hashClientID
            } else if arguments.has("source") {
                configuration.backends.newest.algorithm = .source
            } else {
                configuration.backends.newest.algorithm = .leastConnections
            }
        },
        show: { configuration, index in
            switch configuration.backends[index].algorithm {
            case .leastConnections: ["least-connections"]
            case .roundRobin: ["round-robin"]
            case .hashClientID: ["hash client-id"]
            case .source: ["source"]
            }
        })

    static let stick = Directive(
        "stick", in: .backend, .optional,
        .sequence(["on", "client-id", "table", .value("TABLE", .reference("stick-table"))]),
        "Sends a client ID back to the server that holds its session, as the table remembers it.",
        reload: .newSessions, foreign: ["sticky"],
        apply: { configuration, arguments in
            configuration.backends.newest.stickTable = arguments.text("TABLE")
        },
        show: { configuration, index in
            configuration.backends[index].stickTable.map { ["on client-id table \($0)"] } ?? []
        })

    static let server = Directive(
        "server", in: .backend, .repeatable(required: true),
        .sequence([
            .value("NAME", .name), .value("ADDRESS:PORT", .socket),
            .options([
                .init(
                    "weight", ("N", .integer(0...256)), default: "1",
                    "its share of new sessions; 0: only those that stick to it"),
                .init("backup", nil, "used only when every other server is unusable"),
                .init("disabled", nil, "starts in maintenance, until it is enabled"),
            ]),
        ]),
        "A broker of this backend.",
        reload: .inPlace, foreign: ["real_server", "server-template"],
        apply: { configuration, arguments in
            guard let name = arguments.text("NAME"), let address = arguments.socket("ADDRESS:PORT") else { return }
            var server = Configuration.ServerSettings(name: name, address: address)
            assign(arguments.integer("weight"), to: &server.weight)
            server.backup = arguments.has("backup")
            server.disabled = arguments.has("disabled")
            configuration.backends.newest.servers.append(server)
        },
        show: { configuration, index in
            configuration.backends[index].servers.map { server in
                "\(server.name) \(written(server.address)) weight \(server.weight)"
                    + (server.backup ? " backup" : "") + (server.disabled ? " disabled" : "")
            }
        })

    static let check = Directive(
        "check", in: .backend, .optional,
        .either([
            "none",
            .sequence([
                .either(["mqtt", "tcp"]),
                .options([
                    .init(
                        "every", ("DURATION", .duration(waits, step: .milliseconds(1))), default: "2s", "the interval"),
                    .init(
                        "timeout", ("DURATION", .duration(waits, step: .milliseconds(1))), default: "1s",
                        "how long an answer may take"),
                    .init("rise", ("N", .integer(1...100)), default: "2", "good answers that make a server usable"),
                    .init("fall", ("N", .integer(1...100)), default: "3", "bad ones that make it unusable"),
                ]),
            ]),
        ]), default: "mqtt every 2s timeout 1s rise 2 fall 3",
        "How servers are asked for their health: mqtt is a real CONNECT, CONNACK, DISCONNECT; tcp is a connection.",
        reload: .inPlace, foreign: ["health_check", "option tcp-check", "tcp-check", "default-server"],
        apply: { configuration, arguments in
            var check = Configuration.CheckSettings()
            check.kind = arguments.has("none") ? .none : arguments.has("tcp") ? .tcp : .mqtt
            assign(arguments.duration("every"), to: &check.interval)
            assign(arguments.duration("timeout"), to: &check.timeout)
            assign(arguments.integer("rise"), to: &check.rise)
            assign(arguments.integer("fall"), to: &check.fall)
            configuration.backends.newest.check = check
        },
        show: { configuration, index in
            let check = configuration.backends[index].check
            if check.kind == .none { return ["none"] }
            return [
                "\(check.kind == .tcp ? "tcp" : "mqtt") every \(check.interval.text) timeout \(check.timeout.text) "
                    + "rise \(check.rise) fall \(check.fall)"
            ]
        })

    static let timeoutConnect = Directive(
        "timeout connect", in: .backend, .optional, .value("DURATION", .duration(waits, step: .milliseconds(1))),
        default: "2s",
        "How long a connection to a server may take to be established before the next server is tried.",
        reload: .newSessions, foreign: ["proxy_connect_timeout", "connect_timeout"],
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.backends.newest.connectTimeout)
        },
        show: { configuration, index in [configuration.backends[index].connectTimeout.text] })

    static let timeoutConnack = Directive(
        "timeout connack", in: .backend, .optional, .value("DURATION", .duration(waits, step: .milliseconds(1))),
        default: "5s",
        "How long a server may take to answer a CONNECT with its CONNACK before the next server is tried.",
        reload: .newSessions,
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.backends.newest.connackTimeout)
        },
        show: { configuration, index in [configuration.backends[index].connackTimeout.text] })

    static let tries = Directive(
        "tries", in: .backend, .optional, .value("N", .integer(1...8)), default: "3",
        "How many servers are tried for one CONNECT before the client is refused.",
        reload: .newSessions, foreign: ["retries", "proxy_next_upstream_tries"],
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.backends.newest.maximumTries)
        },
        show: { configuration, index in [String(configuration.backends[index].maximumTries)] })

    // MARK: stick-table

    static let stickTableDirectives = [key, size, expire, replicate]

    static let key = Directive(
        "key", in: .stickTable, .optional, .either(["client-id"]), default: "client-id",
        "What entries are found by: the whole MQTT client ID, never cut.",
        reload: .restart, foreign: ["type"],
        apply: { _, _ in },
        show: { _, _ in ["client-id"] })

    static let size = Directive(
        "size", in: .stickTable, .optional, .value("N", .count(1...134_217_728)), default: "1M",
        "The most entries; the one unused for longest makes room.",
        reload: .restart,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.tables.newest.size)
        },
        show: { configuration, index in [CountText.text(configuration.tables[index].size)] })

    static let expire = Directive(
        "expire", in: .stickTable, .optional,
        .value("DURATION", .duration(.seconds(1) ... .seconds(365 * 86400), step: .milliseconds(1))), default: "30m",
        "How long an entry is kept after its client has gone.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.tables.newest.expire)
        },
        show: { configuration, index in [configuration.tables[index].expire.text] })

    static let replicate = Directive(
        "replicate", in: .stickTable, .optional, .nothing,
        "Keeps the table the same on both nodes through the pair link.",
        reload: .restart,
        apply: { configuration, _ in configuration.tables.newest.replicates = true },
        show: { configuration, index in configuration.tables[index].replicates ? [""] : [] })
}
