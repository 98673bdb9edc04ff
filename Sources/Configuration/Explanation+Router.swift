// Virtual routers explained: when this host takes over, and which adverts it believes.

import Wire

extension Explanation {
    func router(_ router: Configuration.VirtualRouterSettings) -> [String] {
        let addresses = router.addresses.map(\.description).joined(separator: ", ")
        let title = router.addresses.count > 1 ? "Virtual addresses" : "Virtual address"
        var lines = [
            "\(title) \(addresses) on \(router.interface) (vrrp \(router.name), router-id \(router.routerID))."
        ]
        guard let local = configuration.local else { return lines }
        lines += election(router, local)
        lines.append("  The active node sends an advert every \(router.advertInterval.text) \(Self.way(of: router)).")
        lines += takeover(router)
        lines += addressLines(router)
        switch router.preempt {
        case .never: lines.append("  A node that comes back leaves the address where it is (preempt never).")
        case .after(let delay):
            lines.append("  A node of higher priority takes the address back once it is ready for \(delay.text).")
        }
        lines += authentication(router)
        if router.families.count > 1 {
            lines.append("  Its IPv4 and its IPv6 addresses are two virtual routers that move together.")
        }
        return lines + tracking(router)
    }

    func group(_ group: Configuration.SyncGroupSettings) -> [String] {
        [
            "Group \(group.name): vrrp \(group.routers.joined(separator: ", ")) move together; "
                + "one that cannot serve takes all along."
        ]
    }

    private func election(_ router: Configuration.VirtualRouterSettings, _ local: Configuration.Node) -> [String] {
        guard let peer = configuration.peer, router.peers.isEmpty else {
            return ["  Priority \(router.priority) here."]
        }
        let theirs = router.priority(on: peer)
        let first = Self.isPreferred(local, router.priority, over: peer, theirs) ? local : peer
        return [
            "  Priority \(router.priority) here, \(theirs) on \(peer.name): when both start together, "
                + "\(first.name) becomes active."
        ]
    }

    private func takeover(_ router: Configuration.VirtualRouterSettings) -> [String] {
        let here = router.downInterval(priority: router.priority)
        let sum =
            "(\(router.downTimerAdverts) × \(router.advertInterval.text) + "
            + "\(Self.short(router.skew(priority: router.priority))) skew)"
        guard let peer = configuration.peer, router.peers.isEmpty else {
            return ["  When the active router falls silent, this host takes over after \(Self.short(here)) \(sum)."]
        }
        let theirs = router.priority(on: peer)
        return [
            "  When \(peer.name) falls silent, this host takes over after \(Self.short(here)) \(sum);",
            "  when this host falls silent, \(peer.name) takes over after "
                + "\(Self.short(router.downInterval(priority: theirs))).",
            "  When the active node leaves on purpose, the other follows within "
                + "\(Self.short(max(router.skew(priority: router.priority), router.skew(priority: theirs)))).",
        ]
    }

    /// `by unicast`, and what is unusual about the message.
    private static func way(of router: Configuration.VirtualRouterSettings) -> String {
        var words = router.transport == .unicast ? "by unicast" : "by multicast"
        if !router.peers.isEmpty { words += " to \(router.peers.map(\.description).joined(separator: ", "))" }
        if router.version == 2 { words += ", in VRRP version 2" }
        return words
    }

    private func authentication(_ router: Configuration.VirtualRouterSettings) -> [String] {
        switch router.authentication.kind {
        case .none: return ["  Adverts are not authenticated: who can send from a peer's address can move the address."]
        case .password:
            return ["  Adverts carry a password in clear: it keeps mistakes away, and nobody who listens."]
        case .hmac:
            let own = router.authentication.keys.map { "number \($0.id) from \($0.path)" }.joined(separator: ", ")
            let active = router.authentication.activeKey.map { "; number \($0) is sent" } ?? ""
            let key = own.isEmpty ? "a key derived from the pair secret" : "key \(own)\(active)"
            let demand =
                switch router.authentication.mode {
                case .enforce: "adverts without it are refused"
                case .permissive: "adverts without it are believed too"
                case .receiveOnly: "adverts are sent without it"
                }
            let clock = router.authentication.antiReplay == .time ? ", by the hosts' clocks" : ""
            return [
                "  Adverts carry an HMAC with \(key); \(demand), and repeated ones are refused\(clock).",
                "  keepalived before 2.4.2 refuses such adverts: beside it, write authentication none.",
            ]
        }
    }

    /// RFC 9568, 6.4.3: equal priorities are decided by the higher address.
    private static func isPreferred(
        _ a: Configuration.Node, _ priority: UInt8, over b: Configuration.Node, _ other: UInt8
    ) -> Bool {
        priority == other ? a.address > b.address : priority > other
    }

    /// A computed duration to a tenth of a millisecond.
    private static func short(_ duration: Duration) -> String {
        Duration.microseconds((duration.nanoseconds / 1000 + 50) / 100 * 100).text
    }
}
