// Addresses that expire: who dies leaves none behind, and who lives does not disturb.

import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkLeaseTests {
    private static let several: VipScene.Text = { interface in
        VipPair.configuration(
            interface: interface, router: "address fd09::10/64 unadvertised; address fd09::11/128 unadvertised")
    }
    private static let addresses = ["10.9.0.10", "fd09::10", "fd09::11"]
    /// What the kernel may take beyond the lifetime it was told (docs/decisions/0007-addresses-expire.md).
    private static let bound = Duration.seconds(4) + .milliseconds(1500)

    @Test("after kill -9 of everything the kernel removes the addresses, and nothing else")
    func deadMan() async throws {
        try await VipScene.alone(.process(), Self.several) { loop, host, _ in
            try #require(try loop.waitFor { Self.addresses.allSatisfy(host.holds) })
            let process = try #require(host.process)
            try process.send(Signals.kill)
            let death = Clock.now
            var gone: [String: Duration] = [:]
            while gone.count < Self.addresses.count, Clock.now - death < .seconds(30) {
                for address in Self.addresses where gone[address] == nil && !host.holds(address) {
                    gone[address] = Clock.now - death
                }
                ProcessSelf.pause(.milliseconds(10))
            }
            print("after kill -9 gone:", Self.addresses.map { "\($0) after \(gone[$0]?.text ?? "never")" })
            for address in Self.addresses {
                #expect(try #require(gone[address]) <= Self.bound)
            }
            // The route of the network is the host's own, and its own addresses stay.
            try shell("ip -6 route show fd09::/64 dev left | grep -q . && ! ip -6 route show fd09::/64 dev left | grep -q expires")
            try shell("ip route show 10.9.0.0/24 dev left | grep -q .")
            #expect(host.holds("10.9.0.1") && host.holds("fd09::1"))
        }
    }

    @Test("an IPv6 address whose network nobody else brought brings its route, and takes it along")
    func prefixRoute() async throws {
        try await VipScene.alone(
            .process(), { VipPair.configuration(interface: $0, router: "address fd77::10/64 unadvertised") }
        ) { loop, host, _ in
            try #require(try loop.waitFor { host.holds("fd77::10") })
            try shell("ip -6 route show fd77::/64 dev left | grep -q .")
            try #require(host.process).send(Signals.kill)
            let limit = Clock.now + .seconds(30)
            while host.holds("fd77::10"), Clock.now < limit { ProcessSelf.pause(.milliseconds(20)) }
            #expect(!host.holds("fd77::10"))
        }
    }

    @Test("a stall of two seconds loses no address, and renewals tell nobody anything")
    func stall() async throws {
        try await VipScene.alone(.process(), Self.several) { loop, host, _ in
            try #require(try loop.waitFor { Self.addresses.allSatisfy(host.holds) })
            // The announcements of the takeover end after 5 s.
            try #require(try loop.waitFor { (try? host.counter("announcements")) == 7 })
            let before = try host.counter("renewals")
            let news = try NetlinkMonitor()
            let process = try #require(host.process)
            try process.send(Signals.stop)
            try loop.turn(for: .seconds(2))
            try process.send(Signals.continue)
            try #require(try loop.waitFor { (try? host.counter("renewals")) ?? 0 >= before + 9 })
            #expect(try news.removals().isEmpty)
            #expect(try host.counter("announcements") <= 14)
            #expect(try host.counter("addresses_lost") == 0)
            #expect(try host.counter("renewal_failures") == 0)
            #expect(Self.addresses.allSatisfy(host.holds))
        }
    }

    @Test("/128 is never a source, /64 is, and preferred-lifetime 0s makes it none")
    func sources() async throws {
        try await VipScene.alone(
            .thread,
            {
                VipPair.configuration(
                    interface: $0,
                    router: "address fd09::10/64 unadvertised; address fd09::11/128 unadvertised; "
                        + "address fd09::12/64 unadvertised preferred-lifetime 0s")
            }
        ) { loop, host, _ in
            try #require(try loop.waitFor { host.holds("fd09::12") })
            try shell("! ip -6 address show dev left to fd09::10 | grep -q deprecated")
            for address in ["fd09::11", "fd09::12"] {
                try shell("ip -6 address show dev left to \(address) | grep -q deprecated")
            }
            // It stays so over renewals.
            let before = try host.counter("renewals")
            try #require(try loop.waitFor { (try? host.counter("renewals")) ?? 0 >= before + 8 })
            try shell("! ip -6 address show dev left to fd09::10 | grep -q deprecated")
            try shell("ip -6 address show dev left to fd09::12 | grep -q deprecated")
        }
    }
}
