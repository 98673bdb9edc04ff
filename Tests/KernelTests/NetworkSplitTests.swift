// Cuts between two hosts: only the advertisements, the pair link too, and what a witness and other holders add.

import Control
import Failover
import Linux
import Testing
import Wire

/// Whether nft can cut the wire here.
private let canFilter = succeeds("command -v nft > /dev/null 2>&1")

@Suite(
    .enabled(if: canMakeNamespaces && canFilter, "needs root for network namespaces, and nft"), .serialized)
struct NetworkSplitTests {
    private static let address = NetworkTrackingTests.address

    /// Drops advertisements on their way into, or out of, the calling thread's namespace.
    private static func block(_ hook: String, _ loop: EventLoop) throws {
        try loop.shell(
            "nft add table inet cut && nft add chain inet cut \(hook) '{ type filter hook \(hook) priority 0; }' "
                + "&& nft add rule inet cut \(hook) meta l4proto 112 drop")
    }

    private static func mend(_ loop: EventLoop) throws { try loop.shell("nft delete table inet cut") }

    private static func counter(_ host: VipHost, _ name: String) -> Int64 {
        (try? host.router()?["counters"]?[name]?.integer) ?? -1
    }

    /// Lets the peer's reports come in for a while, and says whether `host` ever held the address meanwhile.
    private static func stayedAway(_ host: VipHost, _ loop: EventLoop, reports: Int64 = 30) throws -> Bool {
        let start = counter(host, "peer_reports")
        var held = false
        try #require(
            try loop.waitFor {
                held = held || host.holds(address)
                return counter(host, "peer_reports") >= start + reports
            })
        return !held
    }

    @Test(
        "without advertisements, the pair link keeps the backup from claiming",
        arguments: [["output"], ["input"], ["output", "input"]])
    func advertisementsOnly(hooks: [String]) async throws {
        try await NetworkTrackingTests.withPair(router: "") { loop, left, right, _ in
            for hook in hooks { try Self.block(hook, loop) }
            try #require(try Self.stayedAway(right, loop))
            #expect(left.holds(Self.address))
            if hooks.contains("output") { #expect(Self.counter(right, "second_path_waits") >= 1) }
            try Self.mend(loop)
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true })
            #expect(Self.counter(right, "became_active") == 0 && Self.counter(left, "became_active") == 1)
        }
    }

    @Test("when the pair link is gone too, the backup claims; after the heal one host gives way, once")
    func everything() async throws {
        try await NetworkTrackingTests.withPair(router: "") { loop, left, right, _ in
            try Self.isolate(loop)
            left.beat?.peerLinked = false
            right.beat?.peerLinked = false
            left.onNotice = { _ in }
            right.onNotice = { _ in }
            left.beat?.peer = nil
            right.beat?.peer = nil
            try #require(try loop.waitFor { right.holds(Self.address) })
            // The isolated host sees its servers go, and is worth less from then on.
            left.beat?.usableServers = 0
            try #require(try loop.waitFor { (try? left.router()?["priority_in_force"]) == 1 })
            #expect(left.holds(Self.address), "alone it serves whom it reaches: availability")
            try Self.mend(loop)
            try #require(try loop.waitFor { !left.holds(Self.address) })
            #expect(right.holds(Self.address))
            #expect(Self.counter(right, "became_active") == 1 && Self.counter(right, "yields") == 0)
            #expect(Self.counter(right, "losers_heard") >= 1, "the survivor spoke again at once")
            left.beat?.usableServers = 1
            left.beat?.peerLinked = true
            right.beat?.peerLinked = true
            left.listen(to: right)
            right.listen(to: left)
            try #require(try Self.stayedAway(left, loop))
            #expect(right.holds(Self.address))
        }
    }

    /// Nothing of IP goes in or out of the calling thread's namespace.
    private static func isolate(_ loop: EventLoop) throws {
        try loop.shell("nft add table inet cut")
        for hook in ["input", "output"] {
            try loop.shell("nft add chain inet cut \(hook) '{ type filter hook \(hook) priority 0; policy drop; }'")
        }
    }

    @Test("a required witness that does not answer keeps a cut-off backup from claiming")
    func witness() async throws {
        // The left host plays the witness: another address of it, which answers by ARP.
        try await NetworkTrackingTests.withPair(router: "", rightRouter: "witness 10.9.0.3 required", linked: false) {
            loop, left, right, _ in
            try Self.block("output", loop)
            try #require(try loop.waitFor { Self.counter(right, "witness_waits") == 1 })
            #expect(!right.holds(Self.address))
            try loop.shell("ip address add 10.9.0.3/24 dev left")
            try #require(try loop.waitFor { right.holds(Self.address) })
            #expect((try right.router()?["probe"]?["witness"]?["answers"]?.integer ?? 0) >= 1)
            try Self.mend(loop)
            // Two were active, as the cut of the advertisements alone was made to look: now one is.
            try #require(try loop.waitFor { left.holds(Self.address) != right.holds(Self.address) })
        }
    }

    @Test("a witness behind a router is asked by echo, and a proven link need not settle")
    func echo() async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try loop.shell("ip address add 10.77.0.1/32 dev lo")
            let right = try pair.inRight {
                try loop.shell("ip route add 10.77.0.1/32 via 10.9.0.1")
                let text = VipPair.configuration(
                    interface: "right", router: "settle 1h; witness 10.77.0.1")
                return try VipHost("right", on: loop, configuration: text, interface: "right")
            }
            defer {
                right.killSupervisor()
                _ = try? loop.waitFor { right.exitStatus != nil }
            }
            try #require(try loop.waitFor { right.holds(Self.address) })
            #expect((try right.router()?["probe"]?["witness"]?["answers"]?.integer ?? 0) >= 1)
        }
    }

    @Test("a link that nobody is heard on settles before it is believed")
    func settle() async throws {
        try await NetworkPair.run { _ in
            let loop = try EventLoop()
            let text = VipPair.configuration(interface: "left", router: "settle 1h")
            let left = try VipHost("left", on: loop, configuration: text, interface: "left")
            defer {
                left.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil }
            }
            try #require(try loop.waitFor { Self.counter(left, "link_waits") == 1 })
            #expect(!left.holds(Self.address))
        }
    }

    @Test("another holder of the address is found by ARP, counted, and out-announced")
    func otherHolder() async throws {
        try await NetworkTrackingTests.withPair(router: "duplicate-probe 100ms") { loop, left, right, pair in
            // A host that was left with the address: nobody there speaks for it.
            right.beat = nil
            try pair.inRight { try loop.shell("ip address add 10.9.0.10/24 dev right") }
            try #require(try loop.waitFor { Self.counter(left, "duplicate_holders") >= 1 })
            let probe = try #require(try left.router()?["probe"]?["other_holders"])
            #expect(probe["last"]?["mac"] == "02:00:00:00:00:0b" && probe["last"]?["address"] == "10.9.0.10")
            #expect(left.holds(Self.address))
            #expect(Self.counter(left, "became_active") == 1)
        }
    }

    @Test("another holder of an IPv6 address is found by neighbour discovery")
    func otherHolderV6() async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try loop.shell("ip address add fd09::1/64 dev left nodad")
            let text = VipPair.configuration(
                interface: "left", address: "fd09::10/64", nodes: ["fd09::1", "fd09::2"],
                router: "duplicate-probe 100ms")
            let left = try VipHost("left", on: loop, configuration: text, interface: "left")
            defer {
                left.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil }
            }
            try #require(try loop.waitFor { left.holds("fd09::10") })
            try pair.inRight {
                try loop.shell("ip address add fd09::2/64 dev right nodad && ip address add fd09::10/64 dev right nodad")
            }
            try #require(try loop.waitFor { Self.counter(left, "duplicate_holders") >= 1 })
            #expect(try left.router()?["probe"]?["other_holders"]?["last"]?["mac"] == "02:00:00:00:00:0b")
            #expect(left.holds("fd09::10"))
        }
    }
}
