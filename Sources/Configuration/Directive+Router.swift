// The directive table: the protocol of a virtual router.

import Wire

extension Directive {
    /// The directives of `vrrp` that say how advertisements look and to whom they go.
    static let routerProtocolDirectives = [version, downTimerAdverts, checksum, transport, routerPeer]

    static let version = Directive(
        "version", in: .vrrp, .optional, .value("N", .integer(2...3)), default: "3",
        "The version of the protocol: 3 (RFC 9568), or 2 (RFC 3768: IPv4 only, whole seconds) for old routers.",
        reload: .restart, foreign: ["vrrp_version"],
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.routers.newest.version)
        },
        show: { configuration, index in [String(configuration.routers[index].version)] })

    static let downTimerAdverts = Directive(
        "down-timer-adverts", in: .vrrp, .optional, .value("N", .integer(1...100)), default: "3",
        "How many adverts in a row must be missed before the other node takes over; the RFC says 3.",
        reload: .inPlace, foreign: ["down_timer_adverts", "vrrp_down_timer_adverts"],
        apply: { configuration, arguments in
            assign(arguments.integer("N"), to: &configuration.routers.newest.downTimerAdverts)
        },
        show: { configuration, index in [String(configuration.routers[index].downTimerAdverts)] })

    static let checksum = Directive(
        "checksum", in: .vrrp, .optional,
        .either(Configuration.VirtualRouterSettings.Checksum.allCases.map { .word($0.rawValue) }),
        default: "pseudo-header",
        "What the checksum of IPv4 adverts covers as sent (RFC 9568, 5.2.8: message-only); both forms are accepted.",
        reload: .inPlace, foreign: ["v3_checksum_as_v2"],
        apply: { configuration, arguments in
            let written = Configuration.VirtualRouterSettings.Checksum.allCases.first { arguments.has($0.rawValue) }
            assign(written, to: &configuration.routers.newest.checksum)
        },
        show: { configuration, index in
            let router = configuration.routers[index]
            return router.version == 3 ? [router.checksum.rawValue] : []
        })

    static let transport = Directive(
        "transport", in: .vrrp, .optional, .either(["unicast", "multicast"]), default: "unicast",
        "Whether adverts go to the other node's address or to the VRRP multicast group.",
        reload: .restart,
        apply: { configuration, arguments in
            configuration.routers.newest.transport = arguments.has("multicast") ? .multicast : .unicast
        },
        show: { configuration, index in
            [configuration.routers[index].transport == .multicast ? "multicast" : "unicast"]
        })

    static let routerPeer = Directive(
        "peer", in: .vrrp, .repeatable(required: false), .value("ADDRESS", .address),
        "A router of another program that adverts go to and come from, instead of the other node.",
        reload: .inPlace, foreign: ["unicast_peer"],
        apply: { configuration, arguments in
            if let address = arguments.address("ADDRESS") { configuration.routers.newest.peers.append(address) }
        },
        show: { configuration, index in configuration.routers[index].peers.map(\.description) })
}
