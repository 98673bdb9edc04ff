// The directive table: the addresses of a virtual router, their announcement, and hooks.

import Wire

extension Directive {
    private typealias Settings = Configuration.VirtualRouterSettings

    /// The directives of `vrrp` that say what moves, and what else happens when it does.
    static let routerAddressDirectives = [address, announce, hook]

    static let address = Directive(
        "address", in: .vrrp, .repeatable(required: true),
        .sequence([
            .value("ADDRESS/LENGTH", .prefix),
            .options([
                .init("dev", ("INTERFACE", .interface), "the interface it is put on, instead of the router's"),
                .init("label", ("LABEL", .interface), "the label of an IPv4 address, as in eth0:vip"),
                .init(
                    "preferred-lifetime",
                    ("DURATION", .duration(.zero ... Settings.Address.longestPreferred, step: .seconds(1))),
                    "how long an IPv6 address may be chosen as a source after a renewal, which comes each second; 0s: never"
                ),
                .init("unadvertised", nil, "moves along without being named in adverts; may be of the other family"),
                .init("unclaimed", nil, "is put on no interface: a hook moves it, as in a cloud"),
            ]),
        ]),
        "A virtual address with its prefix length: what clients connect to.",
        reload: .inPlace,
        foreign: ["virtual_ipaddress", "virtual_ipaddress_excluded", "no_virtual_ipaddress", "preferred_lft"],
        apply: { configuration, arguments in
            guard let prefix = arguments.prefix("ADDRESS/LENGTH") else { return }
            var address = Settings.Address(prefix)
            address.device = arguments.text("dev")
            address.label = arguments.text("label")
            address.preferredLifetime = arguments.duration("preferred-lifetime")
            address.isUnadvertised = arguments.has("unadvertised")
            address.isUnclaimed = arguments.has("unclaimed")
            configuration.routers.newest.addresses.append(address)
        },
        show: { configuration, index in configuration.routers[index].addresses.map(\.text) })

    static let announce = Directive(
        "announce", in: .vrrp, .optional,
        .options([
            .init(
                "repeat", ("N", .integer(1...20)), default: "5",
                "rounds in short order at a takeover; one more follows after 1s and one after 5s"),
            .init(
                "refresh", ("DURATION", .duration(.seconds(1) ... .seconds(86400), step: .milliseconds(1))),
                "how often the active node announces after that; by default no more"),
        ]), default: "repeat 5",
        "How often neighbours are told by gratuitous ARP or unsolicited neighbour advertisements where the addresses are.",
        reload: .inPlace,
        foreign: [
            "garp_master_repeat", "garp_master_refresh", "garp_master_refresh_repeat", "garp_master_delay",
            "garp_lower_prio_repeat", "garp_lower_prio_delay", "vrrp_garp_master_repeat", "vrrp_garp_master_refresh",
            "vrrp_garp_master_delay",
        ],
        apply: { configuration, arguments in
            assign(arguments.integer("repeat"), to: &configuration.routers.newest.announcements.repeats)
            configuration.routers.newest.announcements.refresh = arguments.duration("refresh")
        },
        show: { configuration, index in
            let announcements = configuration.routers[index].announcements
            return ["repeat \(announcements.repeats)" + (announcements.refresh.map { " refresh \($0.text)" } ?? "")]
        })

    static let hook = Directive(
        "hook", in: .vrrp, .repeatable(required: false),
        .sequence([
            .either(Settings.Hook.Event.allCases.map { .word($0.rawValue, foreign: keepalivedNames[$0] ?? []) }),
            .value("FILE", .path(maximum: 4095)),
            .options([
                .init(
                    "timeout", ("DURATION", .duration(.milliseconds(100) ... .seconds(60), step: .milliseconds(1))),
                    default: "5s", "when it has not ended by then, it is killed"),
                .init("user", ("NAME", .account), default: "root", "whom it runs as"),
            ]),
        ]),
        "A program of root's that runs when this node takes or leaves the addresses; what happened is in its environment.",
        reload: .inPlace,
        foreign: [
            "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_deleted",
            "notify_master_rx_lower_pri", "notify",
        ],
        apply: { configuration, arguments in
            guard let event = Settings.Hook.Event.allCases.first(where: { arguments.has($0.rawValue) }),
                let path = arguments.text("FILE")
            else { return }
            var hook = Settings.Hook(event, path: path)
            assign(arguments.duration("timeout"), to: &hook.timeout)
            assign(arguments.text("user"), to: &hook.user)
            configuration.routers.newest.hooks.append(hook)
        },
        show: { configuration, index in
            configuration.routers[index].hooks.map { hook in
                "\(hook.event.rawValue) \(written(hook.path)) timeout \(hook.timeout.text)"
                    + (hook.user == "root" ? "" : " user \(written(hook.user))")
            }
        })

    private static let keepalivedNames: [Settings.Hook.Event: [String]] = [
        .afterClaim: ["notify_master", "master"], .afterRelease: ["notify_backup", "backup"],
        .reclaimed: ["notify_master_rx_lower_pri"], .roleChange: ["notify"],
    ]

    // MARK: top

    static let realtimePriority = Directive(
        "realtime-priority", in: .top, .optional, .either(["off", .value("N", .integer(1...99))]), default: "10",
        "The priority (SCHED_RR) of the process that holds the virtual addresses, so that a busy machine keeps it punctual.",
        reload: .inPlace, foreign: ["vrrp_rt_priority", "vrrp_priority"],
        apply: { configuration, arguments in
            configuration.realtimePriority = arguments.has("off") ? nil : arguments.integer("N")
        },
        show: { configuration, _ in [configuration.realtimePriority.map(String.init) ?? "off"] })
}
