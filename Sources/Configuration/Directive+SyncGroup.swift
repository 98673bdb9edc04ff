// The directive table: groups of virtual routers.

extension Directive {
    static let syncGroup = Directive(
        "sync-group", in: .top, .repeatable(required: false), .value("NAME", .name), opens: .syncGroup,
        "Virtual routers that move together: one host holds all their addresses, or none.",
        reload: .inPlace, foreign: ["vrrp_sync_group"],
        apply: { configuration, arguments in
            configuration.syncGroups.append(.init(name: arguments.text("NAME") ?? ""))
        },
        show: { configuration, _ in configuration.syncGroups.map(\.name) })

    /// The directives of `sync-group`.
    static let syncGroupDirectives = [syncGroupRouter]

    static let syncGroupRouter = Directive(
        "router", in: .syncGroup, .repeatable(required: true), .value("NAME", .reference("vrrp")),
        "A virtual router of the group; the first one is its leader.",
        reload: .inPlace,
        apply: { configuration, arguments in
            if let name = arguments.text("NAME") { configuration.syncGroups.newest.routers.append(name) }
        },
        show: { configuration, index in configuration.syncGroups[index].routers })
}
