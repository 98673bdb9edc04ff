// Cross-checks of the protocol of virtual routers: versions, families, peers, groups.

import Wire

extension CrossCheck {
    mutating func checkProtocol(_ object: Draft.Object) {
        checkFamilies(object)
        checkPeers(object)
        checkVersion(object)
        checkInterval(object)
    }

    /// Unicast adverts of a family go from and to addresses of that family.
    private mutating func checkFamilies(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        guard router.transport == .unicast, isUnderstood(.transport, in: object), !draft.isDoubtful(.top),
            // Nodes that cannot reach each other have their own message.
            Set(configuration.nodes.map(\.address.family)).count == 1
        else { return }
        for family in router.families {
            guard
                let node = configuration.nodes.first(where: {
                    $0.address(of: family) == nil && !$0.address.isUnspecified
                }),
                let address = virtualAddresses.first(where: { $0.object == object && $0.value.address.family == family }
                )
            else { continue }
            let place = nodeAddresses.first { $0.value == node.address }
            error(
                "unicast adverts for \(address.value.address) need nodes with \(family.words) addresses",
                at: address.range, help: "give the nodes such addresses, or write: transport multicast",
                notes: [place.map { .init("the node is here", at: $0.range) }])
        }
    }

    private mutating func checkPeers(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        let own = nodeAddresses
        let virtualAddresses = virtualAddresses
        var seen: [IPAddress: SourceRange] = [:]
        for occurrence in draft.all(.routerPeer, in: object) {
            guard let address = occurrence.arguments.address("ADDRESS"),
                let range = occurrence.arguments.range("ADDRESS")
            else { continue }
            if let reason = address.unusable {
                error("\(address) \(reason)", at: range, help: "write the other router's own address")
            } else if let other = seen[address] {
                error(
                    "the peer \(address) is written twice", at: range,
                    notes: [.init("it was written here already", at: other)])
            } else if let other = virtualAddresses.first(where: { $0.value.address == address }) {
                error(
                    "the peer \(address) is a virtual address", at: range,
                    help: "write the other router's own address",
                    notes: [.init("the virtual address is here", at: other.range)])
            } else if !router.families.isEmpty, !router.families.contains(address.family) {
                error(
                    "the peer \(address) is of another family than the virtual addresses", at: range,
                    help: "adverts for \(router.families[0].words) addresses travel over \(router.families[0].words)")
            }
            seen[address] = seen[address] ?? range
        }
        guard let first = draft.first(.routerPeer, in: object) else { return }
        if let transport = draft.first(.transport, in: object), router.transport == .multicast {
            error(
                "peers are spoken to by unicast", at: first.range,
                help: "leave the peers out, or write: transport unicast",
                notes: [.init("the transport is set here", at: transport.range)])
        }
        // The file may be the same on every host, so a node of it may stand in the list; the own one is left out.
        for family in router.families
        where !seen.keys.contains(where: { peer in
            peer.family == family && !(own.contains { $0.value == peer } && configuration.nodes.count == 1)
        }) {
            error(
                "no peer has an \(family.words) address", at: first.range,
                help: "add one, or move the \(family.words) addresses to a block of their own")
        }
    }

    /// RFC 3768 knows IPv4 and whole seconds only.
    private mutating func checkVersion(_ object: Draft.Object) {
        guard configuration.routers[object.index].version == 2, let version = draft.first(.version, in: object) else {
            return
        }
        let note = Diagnostic.Note("the version is set here", at: version.range)
        if let address = virtualAddresses.first(where: { $0.object == object && $0.value.address.family == .ipv6 }) {
            error(
                "VRRP version 2 knows no IPv6", at: address.range, help: "write: version 3", notes: [note])
        }
        if let checksum = draft.first(.checksum, in: object) {
            error(
                "VRRP version 2 has one form of checksum", at: checksum.range, help: "leave it out", notes: [note])
        }
        guard let written = draft.first(.advertInterval, in: object) else {
            if !draft.isWritten(.advertInterval, in: object) {
                setInterval(.seconds(1), of: object)
            }
            return
        }
        let interval = configuration.routers[object.index].advertInterval
        if interval.nanoseconds % 1_000_000_000 != 0 || interval > .seconds(255) {
            error(
                "VRRP version 2 counts whole seconds", at: written.arguments.range("DURATION"),
                help: "write 1s to 255s, the same on every router", notes: [note])
        }
    }

    private mutating func checkInterval(_ object: Draft.Object) {
        let router = configuration.routers[object.index]
        guard router.advertInterval < .milliseconds(50),
            let range = draft.first(.advertInterval, in: object)?.arguments.range("DURATION")
        else { return }
        warn(
            "a host that stalls for \((router.advertInterval * router.downTimerAdverts).text) loses the address to the other",
            at: range, help: "ordinary hosts stall longer now and then; 100ms survives 300ms")
    }

    // MARK: Groups

    mutating func checkSyncGroups() {
        var first: [String: SourceRange] = [:]
        var alone: [Draft.Object] = []
        for object in draft.objects(.syncGroup) {
            var members = 0
            for occurrence in draft.all(.syncGroupRouter, in: object) {
                guard let name = occurrence.arguments.text("NAME"), let range = occurrence.arguments.range("NAME")
                else { continue }
                members += configuration.routers.first { $0.name == name }?.count ?? 0
                if let other = first[name] {
                    error(
                        "vrrp \(name) is in a group already", at: range,
                        help: "a virtual router is in one group at most",
                        notes: [.init("it was named here", at: other)])
                }
                first[name] = first[name] ?? range
            }
            if members > Configuration.SyncGroupSettings.maximumMembers {
                error(
                    "a group of \(members) virtual routers", at: draft.headers[object],
                    help: "at most \(Configuration.SyncGroupSettings.maximumMembers); both families of a block count")
            } else if members == 1 {
                alone.append(object)
            }
        }
        guard !hasErrors else { return }
        for object in alone {
            warn(
                "a group of one virtual router changes nothing", at: draft.headers[object],
                help: "name another one, or leave the group out")
        }
    }

    // MARK: Common

    /// Whether a directive is not written, or written and understood.
    func isUnderstood(_ directive: Directive, in object: Draft.Object) -> Bool {
        !draft.isWritten(directive, in: object) || draft.first(directive, in: object) != nil
    }
}

extension AddressFamily {
    /// As people write it.
    var words: String { self == .ipv4 ? "IPv4" : "IPv6" }
}
