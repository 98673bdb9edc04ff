// The vip process on the real kernel: election, fail-over, repair and hand-over between two namespaces.

import Control
import Failover
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkVipTests {
    /// Runs a test with two hosts; the left one has the higher priority. `serving` is what the right balancer
    /// says, `settled` what the left one does.
    private static func withPair(
        _ configuration: @escaping @Sendable (_ interface: String) -> String = { VipPair.configuration(interface: $0) },
        serving: Bool = true, settled: Bool = true,
        _ body: @escaping @Sendable (EventLoop, VipHost, VipHost, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell("ip address add fd09::1/64 dev left nodad")
            let left = try VipHost(
                "left", on: loop, configuration: configuration("left"), interface: "left", settled: settled)
            let right = try pair.inRight {
                try shell("ip address add fd09::2/64 dev right nodad")
                return try VipHost(
                    "right", on: loop, configuration: configuration("right"), interface: "right", serving: serving)
            }
            defer {
                left.killSupervisor()
                right.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil && right.exitStatus != nil }
            }
            try body(loop, left, right, pair)
        }
    }

    private static let address = "10.9.0.10"

    @Test("one of two holds the address; when its supervisor dies, the other one does")
    func supervisorDeath() async throws {
        try await Self.withPair { loop, left, right, _ in
            // The left one gets a head start; then the other one hears it and waits.
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true })
            #expect(!right.holds(Self.address))

            left.killSupervisor()
            try #require(try loop.waitFor { right.holds(Self.address) })
            try #require(try loop.waitFor { left.exitStatus != nil })
            #expect(left.exitStatus == 1)
            #expect(!left.holds(Self.address))
            let report = try #require(try right.router())
            #expect(report["state"] == "active")
            #expect(try #require(report["why"]?.string).contains("handed over"))
            #expect(report["counters"]?["zero_priority_received"] == 1)
            #expect(
                report["addresses"] == [
                    [
                        "address": "10.9.0.10/24", "interface": "right", "claimed": true, "advertised": true, "shown": true,
                    ]
                ])
        }
    }

    @Test("a silent balancer costs the host the address")
    func silentBalancer() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat
            left.beat = nil
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            #expect(left.messages.contains(.state("mqtt initialize")))
            // It serves again, and leaves the address where it is.
            left.beat = right.beat
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "backup" })
            #expect(right.holds(Self.address) && !left.holds(Self.address))
        }
    }

    @Test("a balancer that dies and is back at once costs nothing, one that stays away costs the address")
    func balancerRestart() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat

            left.killBalancer()
            // The successor serves, and does not know its servers yet.
            left.beat?.settled = false
            try left.linkBalancer()
            let notices = left.notices.count
            try #require(try loop.waitFor { left.notices.count > notices })
            #expect(left.notices.last?.isActive == true)
            let beats = try #require(try left.ask(["command": "status"])?["balancer"]?["beats"]?.integer)
            try #require(
                try loop.waitFor {
                    (try? left.ask(["command": "status"]))?["balancer"]?["beats"]?.integer ?? 0 > beats + 8
                })
            #expect(try left.router()?["counters"]?["transitions"] == 3)
            #expect(left.holds(Self.address))

            left.killBalancer()
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            #expect(try #require(try left.router()?["why"]?.string).contains("the balancer is gone"))
        }
    }

    @Test("nobody holds the address before a balancer knows its servers")
    func unsettled() async throws {
        try await Self.withPair(serving: false, settled: false) { loop, left, right, _ in
            try #require(
                try loop.waitFor {
                    (try? left.ask(["command": "status"]))?["balancer"]?["beats"]?.integer ?? 0 > 10
                })
            #expect(!left.holds(Self.address) && !right.holds(Self.address))
            #expect(try #require(try left.router()?["why"]?.string).contains("does not know its servers yet"))
            #expect(try #require(try right.router()?["why"]?.string).contains("does not serve"))
        }
    }

    @Test("an address removed by somebody is back, without a change of role")
    func repair() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            try shell("ip address del 10.9.0.10/24 dev left")
            try #require(try loop.waitFor { left.holds(Self.address) })
            let report = try #require(try left.router())
            #expect(report["state"] == "active")
            #expect(report["counters"]?["addresses_lost"] == 1)
            #expect(report["counters"]?["became_active"] == 1)
        }
    }

    @Test("an interface without carrier releases, and the other host serves")
    func linkLoss() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat
            try shell("ip link set left down")
            try #require(try loop.waitFor { !left.holds(Self.address) })
            // A veth end loses its carrier with the other; so neither can serve, and both say so.
            try #require(try loop.waitFor { (try? right.router()?["state"]) == "initialize" })
            try shell("ip link set left up")
            try #require(try loop.waitFor { left.holds(Self.address) != right.holds(Self.address) })
        }
    }

    @Test("step-down tells the balancer first, then the other host serves")
    func stepDown() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true })
            #expect(try left.ask(["command": "step-down"]) == ["ok": true, "handed_over": ["mqtt"]])
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            let warning = try #require(left.notices.firstIndex { $0.steppingDown && $0.isActive })
            try #require(try loop.waitFor { left.notices.dropFirst(warning).contains { !$0.isActive } })
            try #require(
                try loop.waitFor { (try? left.router()?["why"]?.string?.contains("10.9.0.2 is active")) == true })
            #expect(try left.ask(["command": "step-down", "for_ms": 0])?["error"] != nil)
            #expect(try left.ask(["command": "dance"])?["error"] != nil)
        }
    }

    @Test("who stepped down for a long time serves again when the other host is gone")
    func stepDownOvertaken() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.beat = left.beat
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true })
            _ = try left.ask(["command": "step-down", "for_ms": 600_000])
            try #require(
                try loop.waitFor { (try? left.router()?["why"]?.string?.contains("10.9.0.2 is active")) == true })
            #expect(left.notices.last?.steppingDown == true)
            right.killSupervisor()
            try #require(try loop.waitFor { left.holds(Self.address) })
            // Its first advert is told before its new role.
            try #require(
                try loop.waitFor { left.notices.last?.isActive == true && left.notices.last?.steppingDown == false })
        }
    }

    @Test("stop releases, says goodbye and exits with 0")
    func stop() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            left.supervisor.send(.stop(deadline: Clock.now + .seconds(5)))
            try #require(try loop.waitFor { left.exitStatus != nil })
            #expect(left.exitStatus == 0)
            #expect(!left.holds(Self.address))
            #expect(left.notices.contains { $0.steppingDown && $0.isActive })
        }
    }

    @Test("a change of addresses is applied without leaving the state; a bad file changes nothing")
    func reload() async throws {
        try await Self.withPair { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            try left.configure("vrrp mqtt {", generation: 2)
            try #require(
                try loop.waitFor {
                    left.messages.contains { if case .refused(2, _) = $0 { true } else { false } }
                })
            let text = VipPair.configuration(interface: "left", address: "10.9.0.11/24")
            try left.configure(text, generation: 3)
            left.commit(generation: 3)
            try #require(try loop.waitFor { left.holds("10.9.0.11") && !left.holds(Self.address) })
            try #require(try loop.waitFor { left.messages.contains(.serving(generation: 3)) })
            #expect(try left.router()?["counters"]?["became_active"] == 1)
            // Without any router the address goes.
            try left.configure(VipPair.withoutRouter(), generation: 4)
            left.commit(generation: 4)
            try #require(try loop.waitFor { !left.holds("10.9.0.11") })
        }
    }

    @Test(
        "IPv6 moves between the hosts too", arguments: [("", ["fd09::1", "fd09::2"]), ("transport multicast", [])])
    func ipv6(transport: String, nodes: [String]) async throws {
        let configuration: @Sendable (String) -> String = { interface in
            VipPair.configuration(
                interface: interface, address: "fd09::10/64", nodes: nodes.isEmpty ? ["10.9.0.1", "10.9.0.2"] : nodes,
                router: transport)
        }
        try await Self.withPair(configuration) { loop, left, right, _ in
            right.beat = nil
            try #require(try loop.waitFor { left.holds("fd09::10") })
            right.beat = left.beat
            try #require(try loop.waitFor { (try? right.router()?["peers"]?.array?.isEmpty) == false })
            left.killSupervisor()
            try #require(try loop.waitFor { right.holds("fd09::10") && !left.holds("fd09::10") })
        }
    }

    @Test("addresses of a killed predecessor stay when nobody else is active, and go when somebody is")
    func adoption() async throws {
        try await Self.withPair { loop, left, right, pair in
            // The right host finds the address that the left one serves: it must let go.
            right.beat = nil
            try #require(try loop.waitFor { left.holds(Self.address) })
            right.killSupervisor()
            try #require(try loop.waitFor { right.exitStatus != nil })
            let again = try pair.inRight {
                try shell("ip address add 10.9.0.10/24 dev right")
                return try VipHost(
                    "right", on: loop, configuration: VipPair.configuration(interface: "right"), interface: "right")
            }
            try #require(try loop.waitFor { !again.holds(Self.address) && left.holds(Self.address) })
            again.killSupervisor()
            try #require(try loop.waitFor { again.exitStatus != nil })

            // The left host finds its own address and nobody else: it is never taken away.
            left.killSupervisor()
            try #require(try loop.waitFor { left.exitStatus != nil })
            try shell("ip address add 10.9.0.10/24 dev left")
            let news = try NetlinkMonitor()
            let successor = try VipHost(
                "left", on: loop, configuration: VipPair.configuration(interface: "left"), interface: "left")
            try #require(try loop.waitFor { (try? successor.router()?["counters"]?["announcements"]?.integer) == 1 })
            #expect(try successor.router()?["counters"]?["adoptions"] == 1)
            var removals = 0
            try news.drain { if case .addressRemoved = $0 { removals += 1 } }
            #expect(removals == 0 && successor.holds(Self.address))
            successor.killSupervisor()
            try #require(try loop.waitFor { successor.exitStatus != nil })
        }
    }

    @Test("what an earlier run left is removed, what others put there is not")
    func sweep() async throws {
        try await NetworkPair.run { _ in
            let netlink = try Netlink()
            let index = try netlink.interface("left").index
            let kept = IPPrefix(.v4(IPv4Address(10, 9, 0, 11)), length: 32)
            let left = IPPrefix(.v4(IPv4Address(10, 9, 0, 12)), length: 24)
            for prefix in [kept, left] { try netlink.claim(prefix, on: index) }
            try shell("ip address add 10.9.0.13/24 dev left")
            let removed = try AddressSweep.run { interface, address in
                interface.name == "left" && address.prefix == kept
            }
            #expect(removed.map(\.prefix) == [left])
            let shown = try netlink.addresses(on: index).map(\.prefix.address)
            #expect(shown.contains(kept.address) && shown.contains(.v4(IPv4Address(10, 9, 0, 13))))
            #expect(!shown.contains(left.address))
        }
    }
}
