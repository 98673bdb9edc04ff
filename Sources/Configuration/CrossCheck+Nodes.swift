// Cross-checks of what two hosts have in common: nodes, pair, virtual routers.

import Wire

extension CrossCheck {
    private func header(_ context: Context, _ index: Int) -> SourceRange? {
        draft.headers[Draft.Object(context: context, index: index)]
    }

    private var nodeAddresses: [Place<IPAddress>] {
        places(.nodeAddress) { arguments in
            arguments.address("ADDRESS").flatMap { address in arguments.range("ADDRESS").map { (address, $0) } }
        }
    }

    /// Every virtual address of the file.
    var virtualAddresses: [Place<IPPrefix>] {
        places(.address) { arguments in
            arguments.prefix("ADDRESS/LENGTH").flatMap { prefix in
                arguments.range("ADDRESS/LENGTH").map { (prefix, $0) }
            }
        }
    }

    mutating func checkNodes() {
        let count = configuration.nodes.count
        if count > 2 {
            error(
                "a third node", at: header(.node, 2),
                help: "this version of understudy knows a pair: two nodes, one of them active",
                notes: header(.node, 0).map { [.init("the first node is here", at: $0)] } ?? [])
        }
        let addresses = nodeAddresses
        for (index, place) in addresses.enumerated() {
            if let reason = place.value.unusable { error("\(place.value) \(reason)", at: place.range) }
            if let other = addresses[..<index].first(where: { $0.value == place.value }) {
                error(
                    "two nodes have the address \(place.value)", at: place.range,
                    help: "give each host its own address",
                    notes: [.init("the other one is here", at: other.range)])
            } else if index == 1, addresses[0].value.family != place.value.family {
                error(
                    "the nodes have addresses of different families", at: place.range,
                    help: "give both an IPv4 or both an IPv6 address: they must reach each other",
                    notes: [.init("the other one is here", at: addresses[0].range)])
            }
        }
        guard !draft.isDoubtful(.top) else { return }
        if count < 2, let object = draft.objects(.pair).first {
            error(
                "a pair needs two nodes, and the file has \(count == 0 ? "none" : "one")", at: draft.headers[object],
                help: "add: \(Directive.node.usage)")
        } else if count == 1 || (count == 2 && configuration.pair == nil && configuration.routers.isEmpty) {
            warn(
                "nodes without pair and vrrp change nothing", at: header(.node, 0),
                help: "add \(Directive.pair.usage) and \(Directive.vrrp.usage), or leave the nodes out")
        }
    }

    mutating func checkRouters() {
        checkRoutersNeedAPair()
        checkRouterIDs()
        checkVirtualAddresses()
        for object in draft.objects(.vrrp) {
            checkFamilies(object)
            checkPriorities(object)
            checkInterval(object)
        }
    }

    private mutating func checkRoutersNeedAPair() {
        guard !draft.isDoubtful(.top), let first = draft.objects(.vrrp).first else { return }
        var missing: [String] = []
        // A pair without enough nodes has its own message.
        if configuration.nodes.count < 2, configuration.pair == nil { missing.append("two nodes") }
        if configuration.pair == nil { missing.append("a pair") }
        guard !missing.isEmpty else { return }
        error(
            "vrrp needs \(missing.joined(separator: " and "))", at: draft.headers[first],
            help: "add: "
                + (missing.count == 2 ? [Directive.node, .node, .pair] : [.pair]).map(\.usage).joined(separator: "; "))
    }

    /// RFC 9568, 1.6: a virtual router is known by its number, its link and its address family.
    private mutating func checkRouterIDs() {
        struct Key: Hashable {
            var id: UInt8
            var interface: String
            var family: AddressFamily?
        }
        var first: [Key: SourceRange] = [:]
        for object in draft.objects(.vrrp) {
            let router = configuration.routers[object.index]
            guard let id = draft.first(.routerID, in: object), let range = id.arguments.range("ID"),
                draft.first(.interface, in: object) != nil
            else { continue }
            let key = Key(
                id: router.routerID, interface: router.interface, family: router.addresses.first?.address.family)
            if let other = first[key] {
                error(
                    "router-id \(router.routerID) is taken on \(router.interface)", at: range,
                    help: "give each virtual router of a link its own number",
                    notes: [.init("the other one is here", at: other)])
            } else {
                first[key] = range
            }
        }
    }

    private mutating func checkVirtualAddresses() {
        let nodes = nodeAddresses
        var first: [IPAddress: SourceRange] = [:]
        for place in virtualAddresses {
            let address = place.value.address
            if let reason = address.unusable ?? place.value.boundaryReason {
                error("\(address) \(reason)", at: place.range, help: "write the address that clients connect to")
            } else if let node = nodes.first(where: { $0.value == address }) {
                error(
                    "the virtual address \(address) is a node's own", at: place.range,
                    help: "the virtual address moves between the hosts: choose one that nobody has",
                    notes: [.init("the node is here", at: node.range)])
            } else if let other = first[address] {
                error(
                    "the virtual address \(address) is written twice", at: place.range,
                    notes: [.init("the other one is here", at: other)])
            } else {
                first[address] = place.range
            }
        }
    }

    private mutating func checkFamilies(_ object: Draft.Object) {
        let own = virtualAddresses.filter { $0.object == object }
        guard let first = own.first else { return }
        let family = first.value.address.family
        if let other = own.first(where: { $0.value.address.family != family }) {
            error(
                "a virtual router has addresses of one family", at: other.range,
                help: "make a second vrrp block for the other family (RFC 9568, 5.2.9)",
                notes: [.init("the first one is here", at: first.range)])
            return
        }
        guard configuration.routers[object.index].transport == .unicast,
            !draft.isWritten(.transport, in: object) || draft.first(.transport, in: object) != nil,
            let node = nodeAddresses.first, node.value.family != family
        else { return }
        error(
            "unicast adverts for \(first.value.address) need nodes with \(family == .ipv4 ? "IPv4" : "IPv6") addresses",
            at: first.range, help: "give the nodes such addresses, or write: transport multicast",
            notes: [.init("the node is here", at: node.range)])
    }

    private mutating func checkPriorities(_ object: Draft.Object) {
        var first: [String: SourceRange] = [:]
        for occurrence in draft.all(.routerPriority, in: object) {
            guard let node = occurrence.arguments.text("NODE") else { continue }
            if let other = first[node] {
                error(
                    "the priority of \(node) is written twice", at: occurrence.range,
                    notes: [.init("it was written here already", at: other)])
            }
            first[node] = first[node] ?? occurrence.range
        }
        guard !hasErrors, configuration.nodes.count == 2 else { return }
        let router = configuration.routers[object.index]
        let priorities = configuration.nodes.map { router.priority(on: $0) }
        guard priorities[0] == priorities[1] else { return }
        warn(
            "both nodes have priority \(priorities[0]): the higher address decides", at: draft.headers[object],
            help: "give one node a higher priority, as in: priority 150")
    }

    private mutating func checkInterval(_ object: Draft.Object) {
        let interval = configuration.routers[object.index].advertInterval
        guard interval < .milliseconds(50),
            let range = draft.first(.advertInterval, in: object)?.arguments
                .range("DURATION")
        else { return }
        warn(
            "a host that stalls for \((interval * 3).text) loses the address to the other", at: range,
            help: "ordinary hosts stall longer now and then; 100ms survives 300ms")
    }
}

extension IPPrefix {
    /// Why the address is none a host may have in its network; `nil`: it is one.
    fileprivate var boundaryReason: String? {
        guard case .v4(let address) = address, length > 0, length < 31 else { return nil }
        let host = UInt32.max >> UInt32(length)
        if address.value & host == 0 { return "is the network's own address under /\(length)" }
        if address.value & host == host { return "is the network's broadcast address under /\(length)" }
        return nil
    }
}

extension Configuration.VirtualRouterSettings {
    /// This router's priority on a node: its own when the file gives one, else the node's.
    package func priority(on node: Configuration.Node) -> UInt8 { priorities[node.name] ?? node.priority }

    /// How long a backup of this priority waits for adverts before it takes over: Active_Down_Interval
    /// = 3 × Advertisement_Interval + Skew_Time (RFC 9568, 6.1).
    package func downInterval(priority: UInt8) -> Duration { advertInterval * 3 + skew(priority: priority) }

    /// How long a backup of this priority waits after the active router said that it leaves: Skew_Time
    /// = (256 − priority) × Advertisement_Interval ÷ 256 (RFC 9568, 6.1).
    package func skew(priority: UInt8) -> Duration { advertInterval * (256 - Int(priority)) / 256 }
}
