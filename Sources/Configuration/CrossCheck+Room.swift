// Cross-checks of numbers: what there is room for in a session's slot and on the pair link.

extension Configuration {
    /// Most sources of a backend that hold on one node: a session has 64 bits for those it tried.
    package static let maximumSources = 64
    /// Most stick tables that are replicated: what a HELLO of the pair link has room for.
    package static let maximumReplicatedTables = 64
    /// Most virtual routers that tell each other over the pair link how they are.
    package static let maximumLinkedRouters = 16
}

extension CrossCheck {
    mutating func checkRoom() {
        for object in draft.objects(.backend) {
            var counts: [String: Int] = [:]
            for line in draft.all(.source, in: object) {
                let node = line.arguments.text("node") ?? ""
                counts[node, default: 0] += 1
                // Those without a node hold on every node.
                let most = counts[""] ?? 0
                let own = counts.filter { !$0.key.isEmpty }.values.max() ?? 0
                guard most + own > Configuration.maximumSources else { continue }
                error(
                    "on one node at most \(Configuration.maximumSources) sources of a backend hold", at: line.range,
                    help: "leave this one out, or write which node has it: node NODE")
                break
            }
        }
        checkLinkRoom()
    }

    private mutating func checkLinkRoom() {
        var tables = 0
        for object in draft.objects(.stickTable) {
            guard let replicate = draft.first(.replicate, in: object) else { continue }
            tables += 1
            guard tables > Configuration.maximumReplicatedTables else { continue }
            error(
                "at most \(Configuration.maximumReplicatedTables) tables are replicated", at: replicate.range,
                help: "leave replicate out, or let several backends use one table")
            break
        }
        let routers = draft.objects(.vrrp)
        if configuration.pair != nil, routers.count > Configuration.maximumLinkedRouters {
            warn(
                "only \(Configuration.maximumLinkedRouters) virtual routers tell the other node over the pair link how they are",
                at: draft.headers[routers[Configuration.maximumLinkedRouters]],
                help: "this one and those behind it know by advertisements alone; give one router several addresses")
        }
    }
}
