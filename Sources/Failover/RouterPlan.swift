// From a `vrrp` block of the configuration to the settings of its virtual router on this node.

package import Configuration
package import VRRP
package import Wire

/// What one `vrrp` block means on this node.
package struct RouterPlan: Equatable, Sendable {
    /// Why a block cannot be had on this node; a sentence.
    package struct Impossible: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// What makes a virtual router another one (RFC 9568, 1.6); under another name it is the same.
    package struct Identity: Hashable, Sendable {
        package var interface: String
        package var family: AddressFamily
        package var routerID: UInt8
    }

    /// The name of the block; behind it `/ipv4` or `/ipv6` when the block has both families.
    package var name: String
    package var identity: Identity
    /// The virtual addresses, in the order of the file.
    package var addresses: [VirtualAddress]
    /// What runs when the role changes.
    package var hooks: HookPlan
    /// What it depends on besides its own interface.
    package var tracking: TrackingPlan
    /// The node's own address of the family: adverts leave from it, at least in unicast; `nil`: it has none.
    package var nodeAddress: IPAddress?
    package var settings: VirtualRouter.Settings
    /// How adverts are authenticated by a trailer; `nil`: they have none, and none is understood.
    package var authentication: HMACAuthentication.Settings?
    /// The group it moves with; `nil`: it moves alone.
    package var group: String?

    /// The plans of all `vrrp` blocks, in the order of the file; one for each family of a block.
    package static func plans(
        of configuration: Configuration, secrets: RouterSecrets = RouterSecrets()
    ) throws(Impossible) -> [RouterPlan] {
        var plans: [RouterPlan] = []
        for router in configuration.routers {
            guard !router.families.isEmpty else { throw Impossible(description: "vrrp \(router.name): no address") }
            for family in router.families {
                plans.append(try RouterPlan(router, family, in: configuration, secrets))
            }
        }
        return plans
    }

    private init(
        _ router: Configuration.VirtualRouterSettings, _ family: AddressFamily, in configuration: Configuration,
        _ secrets: RouterSecrets
    ) throws(Impossible) {
        guard let local = configuration.local else {
            throw Impossible(description: "vrrp \(router.name): this host is none of the nodes")
        }
        guard let version = Advertisement.Version(rawValue: router.version) else {
            throw Impossible(description: "vrrp \(router.name): version \(router.version) is not known")
        }
        name = router.families.count > 1 ? "\(router.name)/\(family)" : router.name
        identity = Identity(interface: router.interface, family: family, routerID: router.routerID)
        let moving = router.addresses(movingWith: family)
        addresses = moving.map { VirtualAddress($0, on: router.interface) }
        hooks = HookPlan(router, local, in: configuration)
        tracking = TrackingPlan(router.tracking, family: family, scripts: configuration.scripts)
        nodeAddress = local.address(of: family)
        group =
            configuration.syncGroups.first { $0.routers.contains(router.name) }?.name
            ?? (router.families.count > 1 ? router.name : nil)
        do throws(RouterSecrets.Missing) {
            authentication = try secrets.authentication(of: router, in: configuration)
        } catch {
            throw Impossible(description: "vrrp \(router.name): \(error)")
        }
        settings = VirtualRouter.Settings(
            version: version, family: family, routerID: router.routerID, priority: router.priority,
            interval: router.advertInterval, downTimerAdverts: router.downTimerAdverts,
            preempt: Self.preempt(router.preempt), addresses: moving.filter { !$0.isUnadvertised }.map(\.address),
            unadvertised: moving.filter(\.isUnadvertised).map(\.address),
            peers: try Self.peers(of: router, family, local, configuration),
            authentication: Self.password(router.authentication.kind),
            checksum: router.checksum == .messageOnly ? .messageOnly : .pseudoHeader, settle: router.tracking.settle,
            requiresWitness: tracking.witness?.isRequired ?? false, isGrouped: group != nil,
            announceRepeats: router.announcements.repeats, announceRefresh: router.announcements.refresh)
    }

    /// To whom adverts go one by one; empty for multicast.
    private static func peers(
        of router: Configuration.VirtualRouterSettings, _ family: AddressFamily, _ local: Configuration.Node,
        _ configuration: Configuration
    ) throws(Impossible) -> [IPAddress] {
        guard router.transport == .unicast else { return [] }
        let own = local.address(of: family)
        // The file is the same on every host, so the list may name this one too.
        let peers =
            router.peers.isEmpty
            ? configuration.nodes.filter { $0.name != local.name }.compactMap { $0.address(of: family) }
            : router.peers.filter { $0.family == family && $0 != own }
        guard !peers.isEmpty, own != nil else {
            throw Impossible(
                description:
                    "vrrp \(router.name): unicast needs another node or a peer, and a node's address of the family")
        }
        return peers
    }

    private static func password(
        _ kind: Configuration.VirtualRouterSettings.Authentication.Kind
    ) -> Advertisement.Authentication {
        guard case .password(let word) = kind else { return .none }
        return Advertisement.Authentication(password: word) ?? .none
    }

    private static func preempt(_ value: Configuration.VirtualRouterSettings.Preempt) -> VirtualRouter.Settings.Preempt
    {
        switch value {
        case .never: .never
        case .after(let delay): .after(delay)
        }
    }

    /// The address to send from, among those the kernel shows on the interface; `nil` when there is none.
    ///
    /// Unicast: the node's own address and no other, because the peer accepts no other. Multicast over IPv4: the node's
    /// own or else the first of the interface; over IPv6 a link-local one (RFC 9568, 5.1.2.1). Never a virtual one.
    package func source(among shown: [IPAddress]) -> IPAddress? {
        let own = shown.filter { address in
            address.family == identity.family && !addresses.contains { $0.address == address }
        }
        if let nodeAddress, own.contains(nodeAddress), !(identity.family == .ipv6 && settings.peers.isEmpty) {
            return nodeAddress
        }
        guard settings.peers.isEmpty else { return nil }
        return identity.family == .ipv4 ? own.first : own.first { $0.isLinkLocal }
    }
}
