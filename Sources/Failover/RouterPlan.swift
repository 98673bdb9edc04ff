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

    /// The name of the block.
    package var name: String
    package var identity: Identity
    /// The virtual addresses with their prefix lengths, in the order of the file.
    package var prefixes: [IPPrefix]
    /// What it depends on besides its own interface.
    package var tracking: TrackingPlan
    /// The node's own address: adverts leave from it, at least in unicast.
    package var nodeAddress: IPAddress
    package var settings: VirtualRouter.Settings

    /// The plans of all `vrrp` blocks, in the order of the file.
    package static func plans(of configuration: Configuration) throws(Impossible) -> [RouterPlan] {
        var plans: [RouterPlan] = []
        for router in configuration.routers { plans.append(try RouterPlan(router, in: configuration)) }
        return plans
    }

    package init(_ router: Configuration.VirtualRouterSettings, in configuration: Configuration) throws(Impossible) {
        guard let local = configuration.local else {
            throw Impossible(description: "vrrp \(router.name): this host is none of the nodes")
        }
        guard let family = router.addresses.first?.address.family else {
            throw Impossible(description: "vrrp \(router.name): no address")
        }
        guard let version = Advertisement.Version(rawValue: router.version) else {
            throw Impossible(description: "vrrp \(router.name): version \(router.version) is not known")
        }
        var peers: [IPAddress] = []
        if router.transport == .unicast {
            peers = configuration.nodes.filter { $0.name != local.name }.map(\.address)
            guard !peers.isEmpty, (peers + [local.address]).allSatisfy({ $0.family == family }) else {
                throw Impossible(
                    description:
                        "vrrp \(router.name): unicast needs another node, and nodes of the family of the address")
            }
        }
        let addresses = router.addresses.map(\.address)
        name = router.name
        identity = Identity(interface: router.interface, family: family, routerID: router.routerID)
        prefixes = router.addresses
        tracking = TrackingPlan(router.tracking, family: family, scripts: configuration.scripts)
        nodeAddress = local.address
        settings = VirtualRouter.Settings(
            version: version, family: family, routerID: router.routerID, priority: router.priority,
            interval: router.advertInterval, preempt: Self.preempt(router.preempt),
            addresses: addresses.filter { $0.family == family }, unadvertised: addresses.filter { $0.family != family },
            peers: peers, settle: router.tracking.settle,
            requiresWitness: tracking.witness?.isRequired ?? false)
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
            address.family == identity.family && !prefixes.contains { $0.address == address }
        }
        if own.contains(nodeAddress), !(identity.family == .ipv6 && settings.peers.isEmpty) { return nodeAddress }
        guard settings.peers.isEmpty else { return nil }
        return identity.family == .ipv4 ? own.first : own.first { $0.isLinkLocal }
    }
}
