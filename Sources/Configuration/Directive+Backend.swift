// The directive table: backend and stick-table, the side of the brokers.

import Wire

extension Directive {
    static let backendDirectives =
        [balance, stick, server, backendTLS, source, check, onDown, timeoutConnect, timeoutConnack, tries]
        + backendProxyDirectives

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
