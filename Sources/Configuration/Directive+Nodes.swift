// The directive table: node, pair and vrrp, the parts two hosts have in common.

import Wire

extension Directive {
    /// Why 255 and 0 are no priorities to configure.
    private static let refusedPriorities = [
        255: "it is for a router that owns the address (RFC 9568, 6.1), and here two hosts share it",
        0: "it says that the active router is leaving (RFC 9568, 5.2.4)",
    ]

    // MARK: node

    static let nodeDirectives = [nodeAddress, nodePriority]

    static let nodeAddress = Directive(
        "address", in: .node, .repeatable(required: true), .value("ADDRESS", .address),
        "The host's own address: for adverts, for the pair link, and to recognise itself. A second one of the other family "
            + "is for adverts alone.",
        reload: .restart, foreign: ["unicast_src_ip", "mcast_src_ip"],
        apply: { configuration, arguments in
            if let address = arguments.address("ADDRESS") { configuration.nodes.newest.add(address) }
        },
        show: { configuration, index in configuration.nodes[index].addresses.map(\.description) })

    static let nodePriority = Directive(
        "priority", in: .node, .optional, .value("N", .integer(1...254, refused: refusedPriorities)), default: "100",
        "Of two nodes that start together the one with the higher number becomes active.",
        reload: .inPlace,
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.nodes.newest.priority)
        },
        show: { configuration, index in [String(configuration.nodes[index].priority)] })

    // MARK: pair

    static let pairDirectives = [pairSecret, pairAcceptedSecret, pairPort]

    static let pairSecret = Directive(
        "secret", in: .pair, .required, .value("FILE", .path(maximum: 4095)),
        "The file with the secret both nodes share; understudy keygen writes it.",
        reload: .restart,
        apply: { configuration, arguments in
            if let path = arguments.text("FILE") { configuration.pair?.secretPath = path }
        },
        show: { configuration, _ in configuration.pair.map { [written($0.secretPath)] } ?? [] })

    static let pairAcceptedSecret = Directive(
        "accept-secret", in: .pair, .optional, .value("FILE", .path(maximum: 4095)),
        "While a secret is replaced: the file with the other one, with which adverts are believed too.",
        reload: .inPlace,
        apply: { configuration, arguments in configuration.pair?.acceptedSecretPath = arguments.text("FILE") },
        show: { configuration, _ in configuration.pair?.acceptedSecretPath.map { [written($0)] } ?? [] })

    static let pairPort = Directive(
        "port", in: .pair, .optional, .value("PORT", .integer(1...65535)), default: "7946",
        "The TCP port of the pair link on the nodes' addresses.",
        reload: .restart,
        apply: { configuration, arguments in
            if let port = arguments.integer("PORT") { configuration.pair?.port = UInt16(clamping: port) }
        },
        show: { configuration, _ in configuration.pair.map { [String($0.port)] } ?? [] })

    // MARK: vrrp

    static let vrrpDirectives =
        [interface, routerID, advertInterval, preempt, routerPriority] + routerAddressDirectives + routerProtocolDirectives
        + routerAuthenticationDirectives + trackingDirectives

    static let interface = Directive(
        "interface", in: .vrrp, .required, .value("NAME", .interface),
        "The network interface that carries the virtual addresses and the adverts.",
        reload: .restart,
        apply: { configuration, arguments in
            assign(arguments.text("NAME"), to: &configuration.routers.newest.interface)
        },
        show: { configuration, index in [configuration.routers[index].interface] })

    static let routerID = Directive(
        "router-id", in: .vrrp, .required, .value("ID", .integer(1...255)),
        "The virtual router's number; the same on both nodes, and used by nobody else on the link.",
        reload: .restart, foreign: ["virtual_router_id"],
        apply: { configuration, arguments in
            assign(arguments.integer("ID"), to: &configuration.routers.newest.routerID)
        },
        show: { configuration, index in [String(configuration.routers[index].routerID)] })

    static let advertInterval = Directive(
        "advert-interval", in: .vrrp, .optional,
        .value("DURATION", .duration(.milliseconds(10) ... .milliseconds(40950), step: .milliseconds(10))),
        default: "100ms",
        "How often the active node says that it is alive; three of them missed, the other takes over.",
        reload: .inPlace, foreign: ["advert_int"],
        apply: { configuration, arguments in
            assign(arguments.duration("DURATION"), to: &configuration.routers.newest.advertInterval)
        },
        show: { configuration, index in [configuration.routers[index].advertInterval.text] })

    static let preempt = Directive(
        "preempt", in: .vrrp, .optional,
        .either([
            "never",
            .sequence(["after", .value("DURATION", .duration(.zero ... .seconds(86400), step: .milliseconds(1)))]),
        ]), default: "never",
        "Whether a node of higher priority takes the address from a healthy one, and how long it must be ready first.",
        reload: .inPlace, foreign: ["nopreempt", "preempt_delay"],
        apply: { configuration, arguments in
            let delay = arguments.duration("DURATION")
            configuration.routers.newest.preempt = delay.map { .after($0) } ?? .never
        },
        show: { configuration, index in
            switch configuration.routers[index].preempt {
            case .never: ["never"]
            case .after(let delay): ["after \(delay.text)"]
            }
        })

    static let routerPriority = Directive(
        "priority", in: .vrrp, .repeatable(required: false),
        .sequence([
            .value("NODE", .reference("node")), .value("N", .integer(1...254, refused: refusedPriorities)),
        ]),
        "A node's priority for this virtual router, instead of the one in its node block.",
        reload: .inPlace,
        apply: { configuration, arguments in
            guard let node = arguments.text("NODE"), let priority = arguments.integer("N") else { return }
            configuration.routers.newest.priorities[node] = UInt8(clamping: priority)
        },
        show: { configuration, index in
            let priorities = configuration.routers[index].priorities
            return configuration.nodes.compactMap { node in priorities[node.name].map { "\(node.name) \($0)" } }
        })
}
