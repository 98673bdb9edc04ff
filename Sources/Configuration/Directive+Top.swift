// The directive table, top level: the blocks, and settings of the whole daemon.

import Wire

extension Directive {
    static let topDirectives = [
        node, pair, vrrp, syncGroup, script, listen, backend, stickTable, status, admin, log, drain, resolver, loops, user, limitSessions,
        realtimePriority, closeSpread,
        include,
    ]

    static let node = Directive(
        "node", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .node,
        "One host of the pair; the same file on both hosts names both.",
        reload: .restart,
        apply: { configuration, arguments in
            let name = arguments.text("NAME") ?? ""
            configuration.nodes.append(.init(name: name, address: .v4(.init(0))))
        },
        show: { configuration, _ in configuration.nodes.map(\.name) })

    static let pair = Directive(
        "pair", in: .top, .optional, .nothing, opens: .pair,
        "The encrypted link between the two nodes: it carries the stick tables.",
        reload: .restart, foreign: ["peers"],
        apply: { configuration, _ in configuration.pair = .init(secretPath: "") },
        show: { configuration, _ in configuration.pair == nil ? [] : [""] })

    static let vrrp = Directive(
        "vrrp", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .vrrp,
        "A virtual router (RFC 9568): the addresses that one of the two nodes holds.",
        reload: .inPlace, foreign: ["vrrp_instance"],
        apply: { configuration, arguments in
            let name = arguments.text("NAME") ?? ""
            configuration.routers.append(
                .init(name: name, interface: "", routerID: 0, addresses: [], priority: 100))
        },
        show: { configuration, _ in configuration.routers.map(\.name) })

    static let listen = Directive(
        "listen", in: .top, .repeatable(required: true), .value("NAME", .name), opens: .listen,
        "A listener: the addresses clients connect to, and the backend they are sent to.",
        reload: .inPlace, foreign: ["frontend"],
        apply: { configuration, arguments in
            let name = arguments.text("NAME") ?? ""
            configuration.listeners.append(.init(name: name, binds: [], backend: ""))
        },
        show: { configuration, _ in configuration.listeners.map(\.name) })

    static let backend = Directive(
        "backend", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .backend,
        "A group of MQTT brokers, and how one of them is chosen for a client.",
        reload: .inPlace, foreign: ["upstream", "virtual_server"],
        apply: { configuration, arguments in
            let name = arguments.text("NAME") ?? ""
            configuration.backends.append(.init(name: name, servers: []))
        },
        show: { configuration, _ in configuration.backends.map(\.name) })

    static let stickTable = Directive(
        "stick-table", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .stickTable,
        "Remembers which server holds a client's session.",
        reload: .inPlace,
        apply: { configuration, arguments in
            let name = arguments.text("NAME") ?? ""
            configuration.tables.append(.init(name: name))
        },
        show: { configuration, _ in configuration.tables.map(\.name) })

    static let admin = Directive(
        "admin", in: .top, .optional, .nothing, opens: .admin,
        "The socket through which the understudy commands speak to the daemon.",
        reload: .restart,
        apply: { _, _ in },
        show: { _, _ in [""] })

    static let log = Directive(
        "log", in: .top, .optional, .nothing, opens: .log,
        "Where the daemon tells what happens, and how much of it.",
        reload: .inPlace, foreign: ["error_log", "access_log"],
        apply: { _, _ in },
        show: { _, _ in [""] })

    static let loops = Directive(
        "loops", in: .top, .optional, .either(["auto", .value("N", .integer(1...256))]), default: "auto",
        "How many event loops (threads) carry sessions; auto is one for each core.",
        reload: .nextBalancer, foreign: ["nbthread", "worker_processes"],
        apply: { configuration, arguments in configuration.loops = arguments.integer("N") },
        show: { configuration, _ in [configuration.loops.map(String.init) ?? "auto"] })

    static let user = Directive(
        "user", in: .top, .optional, .value("NAME", .account), default: "understudy",
        "The user and group the balancer runs as when the daemon is started by root.",
        reload: .restart,
        apply: { configuration, arguments in assign(arguments.text("NAME"), to: &configuration.user) },
        show: { configuration, _ in [written(configuration.user)] })

    static let limitSessions = Directive(
        "limit sessions", in: .top, .optional, .value("N", .integer(1...10_000_000)), default: "1000000",
        "The most client sessions at one time, over all listeners.",
        reload: .newSessions, foreign: ["maxconn", "worker_connections"],
        apply: { configuration, arguments in assign(arguments.integer("N"), to: &configuration.maximumSessions) },
        show: { configuration, _ in [String(configuration.maximumSessions)] })

    static let include = Directive(
        "include", in: .top, .repeatable(required: false), .value("FILE", .file),
        "Reads another file here; a relative name is meant from the directory of this file.",
        reload: .inPlace,
        apply: { _, _ in },
        show: { _, _ in [] })
}
