// Neighbours believe what they are told: after a takeover, another MAC address, another link.

import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkAnnouncementTests {
    private static let several: VipScene.Text = { interface in
        VipPair.configuration(interface: interface, router: "address fd09::10/64 unadvertised")
    }

    /// Makes the right host believe a wrong MAC address for both addresses.
    private static func mislead(_ pair: borrowing NetworkPair) throws {
        try pair.inRight {
            try shell("ip neigh replace 10.9.0.10 lladdr 02:00:00:00:00:99 dev right nud stale")
            try shell("ip -6 neigh replace fd09::10 lladdr 02:00:00:00:00:99 dev right nud stale")
        }
    }

    /// Whether the right host believes this MAC address for both addresses.
    private static func believes(_ mac: String, _ pair: borrowing NetworkPair) throws -> Bool {
        try pair.inRight {
            succeeds("ip neigh show 10.9.0.10 dev right | grep -q \(mac)")
                && succeeds("ip -6 neigh show fd09::10 dev right | grep -q \(mac)")
        }
    }

    private static func wait(_ loop: EventLoop, _ pair: borrowing NetworkPair, for mac: String) throws -> Bool {
        let limit = Clock.now + .seconds(10)
        while try !believes(mac, pair) {
            guard Clock.now < limit else { return false }
            try loop.turn(for: .milliseconds(20))
        }
        return true
    }

    @Test("IPv4 and IPv6 neighbours believe a takeover, and the address is usable without a detection delay")
    func takeover() async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell("ip address add fd09::1/64 dev left nodad")
            // The kernel would make an address wait for duplicates; ours does not.
            try shell("sysctl -q -w net.ipv6.conf.left.accept_dad=1 net.ipv6.conf.left.dad_transmits=5")
            try pair.inRight { try shell("ip address add fd09::2/64 dev right nodad") }
            try Self.mislead(pair)
            let left = try VipHost("left", on: loop, configuration: Self.several("left"), interface: "left")
            defer { left.end() }
            try #require(try loop.waitFor { left.holds("fd09::10") })
            let shown = try left.netlink.addresses(on: left.interface.index)
            let address = try #require(shown.first { $0.prefix.address == IPAddress("fd09::10") })
            #expect(!address.isTentative && address.isUsable)
            #expect(try Self.wait(loop, pair, for: "02:00:00:00:00:0a"))
        }
    }

    @Test("another MAC address of the interface is announced")
    func macChange() async throws {
        try await VipScene.alone(.thread, Self.several) { loop, host, pair in
            try #require(try loop.waitFor { (try? host.counter("announcements")) == 7 })
            try Self.mislead(pair)
            try shell("ip link set left address 02:00:00:00:00:0c")
            #expect(try Self.wait(loop, pair, for: "02:00:00:00:00:0c"))
            #expect(try host.counter("devices_renewed") == 1)
            #expect(try host.counter("became_active") == 1)
        }
    }

    @Test("a link that comes up again is announced: the router's own, and that of an address elsewhere")
    func linkUp() async throws {
        try await VipScene.alone(
            .thread,
            prepare: {
                try shell("ip link add other type veth peer name far && ip link set far up && ip link set other up")
            },
            { VipPair.configuration(interface: $0, router: "address 10.8.0.10/24 dev other label other:vip unadvertised") }
        ) { loop, host, pair in
            let other = try host.netlink.interface("other")
            #expect(try host.netlink.isShown(try #require(IPAddress("10.8.0.10")), on: other.index))
            try shell("ip address show dev other | grep -q 'other:vip'")
            #expect(!host.holds("10.8.0.10"))
            // The far end loses its link and has it back: nothing of ours went away, and the neighbours there may be new.
            try #require(try loop.waitFor { (try? host.counter("announcements")) == 7 })
            try shell("ip link set far down")
            try loop.turn(for: .milliseconds(200))
            try shell("ip link set far up")
            try #require(try loop.waitFor { (try? host.counter("devices_renewed")) == 1 })
            try #require(try loop.waitFor { (try? host.counter("announcements")) == 14 })

            // The router's own link: it gives the addresses up, claims them again, and says so.
            try pair.inRight { try shell("ip link set right down") }
            try #require(try loop.waitFor { !host.holds(VipScene.address) })
            try pair.inRight {
                try shell("ip link set right up && ip address show dev right | grep -q 10.9.0.2")
                try shell("ip neigh replace 10.9.0.10 lladdr 02:00:00:00:00:99 dev right nud stale")
            }
            try #require(try loop.waitFor { host.holds(VipScene.address) })
            let limit = Clock.now + .seconds(10)
            while try !pair.inRight({ succeeds("ip neigh show 10.9.0.10 dev right | grep -q 02:00:00:00:00:0a") }) {
                try #require(Clock.now < limit, "the neighbour is not told")
                try loop.turn(for: .milliseconds(20))
            }
        }
    }

    @Test("refresh goes on announcing")
    func refresh() async throws {
        try await VipScene.alone(
            .thread, { VipPair.configuration(interface: $0, router: "announce repeat 1 refresh 1s") }
        ) { loop, host, _ in
            // 0, 1 s, 5 s, then every second.
            try #require(try loop.waitFor { (try? host.counter("announcements")) ?? 0 >= 5 })
        }
    }
}
