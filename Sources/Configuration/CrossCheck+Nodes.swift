// Cross-checks of what two hosts have in common: nodes, pair, virtual routers.

import Wire

extension CrossCheck {
    private func header(_ context: Context, _ index: Int) -> SourceRange? {
        draft.headers[Draft.Object(context: context, index: index)]
    }

    var nodeAddresses: [Place<IPAddress>] {
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
        checkNodeAddresses()
        guard !draft.isDoubtful(.top) else { return }
        if count < 2, let object = draft.objects(.pair).first {
            error(
                "a pair needs two nodes, and the file has \(count == 0 ? "none" : "one")", at: draft.headers[object],
                help: "add: \(Directive.node.usage)")
        } else if configuration.pair == nil, configuration.routers.isEmpty, count == 1 || count == 2 {
            warn(
                "nodes without pair and vrrp change nothing", at: header(.node, 0),
                help: "add \(Directive.pair.usage) and \(Directive.vrrp.usage), or leave the nodes out")
        }
    }

    private mutating func checkNodeAddresses() {
        let addresses = nodeAddresses
        for (index, place) in addresses.enumerated() {
            let own = addresses[..<index].filter { $0.object == place.object }
            if let reason = place.value.unusable { error("\(place.value) \(reason)", at: place.range) }
            if let other = addresses[..<index].first(where: { $0.value == place.value }) {
                error(
                    other.object == place.object
                        ? "the address \(place.value) is written twice" : "two nodes have the address \(place.value)",
                    at: place.range, help: "give each host its own address",
                    notes: [.init("the other one is here", at: other.range)])
            } else if let other = own.first(where: { $0.value.family == place.value.family }) {
                error(
                    "a second \(place.value.family.words) address of this node", at: place.range,
                    help: "a node has one address of each family: the one the other node reaches it by",
                    notes: [.init("the other one is here", at: other.range)])
            } else if own.isEmpty, index > 0, addresses[0].object != place.object,
                addresses[0].value.family != place.value.family
            {
                error(
                    "the nodes have addresses of different families", at: place.range,
                    help: "give both an IPv4 or both an IPv6 address first: they must reach each other",
                    notes: [.init("the other one is here", at: addresses[0].range)])
            }
        }
    }

    mutating func checkRouters() {
        checkRoutersNeedAPair()
        checkRouterIDs()
        checkVirtualAddresses()
        for object in draft.objects(.vrrp) {
            checkPriorities(object)
            checkProtocol(object)
            checkAuthentication(object)
            checkAddressOptions(object)
            checkHooks(object)
        }
        checkSyncGroups()
    }

    private mutating func checkRoutersNeedAPair() {
        // A router that speaks to other programs' routers alone needs no other node of ours.
        let first = draft.objects(.vrrp).first { object in
            let router = configuration.routers[object.index]
            return router.peers.isEmpty && router.transport == .unicast && !draft.isWritten(.routerPeer, in: object)
                && !(draft.isWritten(.transport, in: object) && draft.first(.transport, in: object) == nil)
        }
        guard !draft.isDoubtful(.top), let first else { return }
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
            var family: AddressFamily
        }
        var first: [Key: SourceRange] = [:]
        for object in draft.objects(.vrrp) {
            let router = configuration.routers[object.index]
            guard let id = draft.first(.routerID, in: object), let range = id.arguments.range("ID"),
                draft.first(.interface, in: object) != nil
            else { continue }
            let keys = router.families.map { Key(id: router.routerID, interface: router.interface, family: $0) }
            if let other = keys.lazy.compactMap({ first[$0] }).first {
                error(
                    "router-id \(router.routerID) is taken on \(router.interface)", at: range,
                    help: "give each virtual router of a link its own number",
                    notes: [.init("the other one is here", at: other)])
            } else {
                for key in keys { first[key] = range }
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
