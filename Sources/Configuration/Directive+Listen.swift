// The directive table: listen, the side of the clients.

import Wire

extension Directive {
    static let listenDirectives = [
        bind, `protocol`, listenTLS, use, limitConnections, limitConnectSize, timeoutConnectPacket, timeoutIdle, backlog,
    ] + limitDirectives + [access] + webSocketDirectives + listenProxyDirectives + rewriteDirectives

    static let bind = Directive(
        "bind", in: .listen, .repeatable(required: true), .value("ADDRESS:PORT", .socket),
        "An address and port to accept connections on; *:PORT is every address of both families.",
        reload: .inPlace,
        apply: { configuration, arguments in
            if let socket = arguments.socket("ADDRESS:PORT") { configuration.listeners.newest.binds.append(socket) }
        },
        show: { configuration, index in configuration.listeners[index].binds.map { written($0) } })

    static let `protocol` = Directive(
        "protocol", in: .listen, .optional, .either([mqttProtocol, "tcp", "http"]), default: "mqtt",
        "What clients speak: mqtt is 3.1, 3.1.1 and 5.0, told apart by their CONNECT, and over websocket takes requests for "
            + "this path and what is below it, under these names or any; tcp passes bytes as they are; http does too, and "
            + "says in HTTP when no server is there.",
        reload: .newSessions, foreign: ["mode"],
        apply: { configuration, arguments in
            for choice in Configuration.ListenerProtocol.allCases where arguments.has(choice.rawValue) {
                configuration.listeners.newest.protocol = choice
            }
            configuration.listeners.newest.webSocket = webSocket(arguments)
        },
        show: { configuration, index in
            let listener = configuration.listeners[index]
            return [listener.webSocket?.text ?? listener.protocol.rawValue]
        })

    static let limitConnections = Directive(
        "limit connections", in: .listen, .optional, .value("N", .integer(1...10_000_000)), default: "1000000",
        "The most sessions of this listener at one time.",
        reload: .newSessions, foreign: ["maxconn", "limit_conn"],
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.listeners.newest.maximumSessions)
        },
        show: { configuration, index in [String(configuration.listeners[index].maximumSessions)] })

    static let limitConnectSize = Directive(
        "limit connect-size", in: .listen, .optional, .value("SIZE", .size(64...1_048_576)), default: "64KiB",
        "The longest CONNECT packet that is read; a longer one is refused before it is waited for.",
        reload: .newSessions,
        apply: { configuration, arguments in
            assign(arguments.integer("SIZE"), to: &configuration.listeners.newest.maximumConnectSize)
        },
        show: { configuration, index in [SizeText.text(configuration.listeners[index].maximumConnectSize)] })

    static let timeoutConnectPacket = Directive(
        "timeout connect", in: .listen, .optional,
        .value("DURATION", .duration(.milliseconds(100) ... .seconds(300), step: .milliseconds(1))), default: "10s",
        "How long after the accept a client's whole CONNECT packet must have arrived.",
        reload: .newSessions, foreign: ["connect-deadline", "preread_timeout", "tcp-request inspect-delay"],
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.listeners.newest.connectDeadline)
        },
        show: { configuration, index in [configuration.listeners[index].connectDeadline.text] })

    static let timeoutIdle = Directive(
        "timeout idle", in: .listen, .optional,
        .either([
            "keep-alive", .value("DURATION", .duration(.seconds(1) ... .seconds(30 * 86400), step: .milliseconds(1))),
        ]), default: "keep-alive",
        "The silence after which a session ends; keep-alive is 1.5 × what the client itself promised in its CONNECT, "
            + "and 1h where there is no CONNECT.",
        reload: .newSessions,
        foreign: ["timeout client", "timeout server", "timeout tunnel", "proxy_timeout", "proxy_read_timeout"],
        apply: { configuration, arguments in
            configuration.listeners.newest.idleTimeout = arguments.duration("DURATION")
        },
        show: { configuration, index in [configuration.listeners[index].idleTimeout?.text ?? "keep-alive"] })

    static let backlog = Directive(
        "backlog", in: .listen, .optional, .value("N", .integer(1...65535)), default: "4096",
        "How many connections the kernel holds until they are accepted.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.listeners.newest.backlog)
        },
        show: { configuration, index in [String(configuration.listeners[index].backlog)] })
}
