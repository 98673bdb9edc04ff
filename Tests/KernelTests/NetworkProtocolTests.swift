// The protocol as it is configured, on the wire between two namespaces: versions, families, authentication, groups.

import Configuration
import Control
import Failover
import Linux
import TLS
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkProtocolTests {
    static let v4 = "10.9.0.10"
    static let v6 = "fd09::10"

    /// A file with one router, whose lines follow; nodes with an address of each family.
    static func file(_ interface: String, _ router: String, secrets: String = "", more: String = "") -> String {
        """
        node left { address 10.9.0.1; address fd09::1; priority 150 }
        node right { address 10.9.0.2; address fd09::2; priority 100 }
        pair { secret /etc/understudy/pair.key; \(secrets) }
        listen mqtt { bind *:1883; use brokers }
        backend brokers { server one 10.9.0.3:1883 }
        vrrp mqtt { interface \(interface); router-id 51; \(router) }
        \(more)
        """
    }

    /// Two hosts; the left one is active and the right one has heard it. `secret`: the right one's.
    static func withPair(
        _ router: String, more: String = "", secret: PairSecret = VipPair.secret, isHeard: Bool = true,
        _ body: @escaping @Sendable (EventLoop, VipHost, VipHost, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell("ip address add fd09::1/64 dev left nodad")
            let left = try VipHost(
                "left", on: loop, configuration: file("left", router, more: more), interface: "left")
            let right = try pair.inRight {
                try shell("ip address add fd09::2/64 dev right nodad")
                return try VipHost(
                    "right", on: loop, configuration: file("right", router, more: more), interface: "right",
                    secret: secret)
            }
            defer {
                left.killSupervisor()
                right.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil && right.exitStatus != nil }
            }
            // The left one gets a head start.
            let beat = right.beat
            right.beat = nil
            try #require(try loop.waitFor { left.routers().allSatisfy { $0["state"] == "active" } })
            right.beat = beat
            if isHeard {
                try #require(
                    try loop.waitFor {
                        right.routers().allSatisfy {
                            $0["why"]?.string?.contains(" is active with priority 150") == true
                        }
                    })
            }
            try body(loop, left, right, pair)
        }
    }

    @Test(
        "every protocol elects one, and hands over with priority 0",
        arguments: [
            "address 10.9.0.10/24",
            "address 10.9.0.10/24; authentication none; checksum message-only",
            "address 10.9.0.10/24; version 2; authentication none",
            "address 10.9.0.10/24; version 2; authentication password secret; transport multicast",
            "address 10.9.0.10/24; version 2",
            "address 10.9.0.10/24; anti-replay time; transport multicast",
            "address fd09::10/64",
            "address fd09::10/64; transport multicast",
            "address fd09::10/64; authentication none",
        ])
    func everyProtocol(_ router: String) async throws {
        let address = router.contains("fd09") ? Self.v6 : Self.v4
        try await Self.withPair(router) { loop, left, right, _ in
            #expect(left.holds(address) && !right.holds(address))
            #expect(right.routers()[0]["refusals"]?.members?.isEmpty == true)
            left.killSupervisor()
            try #require(try loop.waitFor { right.holds(address) && !left.holds(address) })
            #expect(right.routers()[0]["counters"]?["zero_priority_received"]?.integer ?? 0 > 0)
        }
    }

    @Test("both families of a block move together, in each direction")
    func bothFamilies() async throws {
        let addresses = "address \(Self.v4)/24; address \(Self.v6)/64"
        try await Self.withPair(addresses) { loop, left, right, _ in
            let names = left.routers().map { $0["name"]?.string ?? "" }
            #expect(names == ["mqtt/ipv4", "mqtt/ipv6"])
            #expect(left.holds(Self.v4) && left.holds(Self.v6))
            _ = try left.ask(["command": "step-down"])
            try #require(try loop.waitFor { right.holds(Self.v4) && right.holds(Self.v6) })
            // It lets go when the other one has them.
            try #require(try loop.waitFor { !left.holds(Self.v4) && !left.holds(Self.v6) })
            // One family can no longer be sent: the other one goes along.
            let before = try #require(right.report()?["groups"]?.array?.first)
            #expect(before["state"] == "active" && before["name"] == "mqtt")
            right.beat?.serving = false
            try #require(try loop.waitFor { left.holds(Self.v4) && left.holds(Self.v6) })
        }
    }

    @Test("a group of two blocks: one that loses its interface takes the other along")
    func syncGroup() async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            try shell(
                """
                ip link add extra type veth peer name beyond && ip address add 10.8.0.1/24 dev extra \
                    && ip link set beyond up && ip link set extra up
                """)
            let more = """
                vrrp second {
                    interface extra; router-id 52; address 10.8.0.10/24; transport multicast; authentication none
                }
                sync-group both { router mqtt; router second }
                """
            let host = try VipHost(
                "left", on: loop, configuration: Self.file("left", "address 10.9.0.10/24", more: more),
                interface: "left")
            defer {
                host.killSupervisor()
                _ = try? loop.waitFor { host.exitStatus != nil }
            }
            try #require(
                try loop.waitFor { host.routers().count == 2 && host.routers().allSatisfy { $0["state"] == "active" } })
            try shell("ip link set extra down")
            try #require(try loop.waitFor { !host.holds(Self.v4) })
            #expect(host.routers()[0]["why"]?.string?.contains("second of group both") == true)
            try shell("ip link set extra up")
            try #require(try loop.waitFor { host.holds(Self.v4) })
            // Without its group the first one stays when the other one goes.
            try host.configure(
                Self.file(
                    "left", "address 10.9.0.10/24",
                    more: more.replacing("sync-group both { router mqtt; router second }", with: "")),
                generation: 2)
            host.commit(generation: 2)
            try #require(try loop.waitFor { host.messages.contains(.serving(generation: 2)) })
            try shell("ip link set extra down")
            try #require(try loop.waitFor { host.routers()[1]["state"] == "initialize" })
            #expect(host.holds(Self.v4) && host.routers()[0]["counters"]?["became_active"] == 2)
        }
    }

    @Test("two hosts with different secrets: one serves, and the other one says why it does not")
    func differentSecrets() async throws {
        try await Self.withPair("address 10.9.0.10/24", secret: PairSecret.generate(), isHeard: false) {
            loop, left, right, _ in
            try #require(
                try loop.waitFor { right.routers()[0]["why"]?.string?.contains("are the secrets the same?") == true })
            #expect(left.holds(Self.v4) && !right.holds(Self.v4))
            let refusals = right.routers()[0]["refusals"]
            #expect((refusals?["hmac-unknown-key"]?.integer ?? 0) + (refusals?["hmac-mismatch"]?.integer ?? 0) > 0)
            // The other one is gone, and nobody is left to doubt.
            left.killSupervisor()
            try #require(try loop.waitFor { right.holds(Self.v4) })
        }
    }

    @Test("a secret is replaced host by host, and nobody moves")
    func rotation() async throws {
        let old = VipPair.secret
        let new = PairSecret.generate()
        try await Self.withPair("address 10.9.0.10/24") { loop, left, right, _ in
            var generation: UInt64 = 1
            func reload(_ host: VipHost, _ sent: PairSecret, _ accepted: PairSecret?) throws {
                generation += 1
                try host.hand(sent.fileContents, as: .vrrpSecret)
                if let accepted { try host.hand(accepted.fileContents, as: .vrrpAcceptedSecret) }
                try host.configure(
                    Self.file(
                        host.interface.name, "address 10.9.0.10/24",
                        secrets: accepted == nil ? "" : "accept-secret /etc/understudy/other.key"),
                    generation: generation)
                host.commit(generation: generation)
                try #require(try loop.waitFor { host.messages.contains(.serving(generation: generation)) })
            }
            for host in [left, right] { try reload(host, old, new) }
            for host in [left, right] { try reload(host, new, old) }
            for host in [left, right] { try reload(host, new, nil) }
            let heard = try #require(right.routers()[0]["counters"]?["advertisements_received"]?.integer)
            try #require(
                try loop.waitFor {
                    right.routers()[0]["counters"]?["advertisements_received"]?.integer ?? 0 > heard + 5
                })
            #expect(left.routers()[0]["authentication"]?["keys"]?.array?.count == 1)
            #expect(right.routers()[0]["refusals"]?.members?.isEmpty == true)
            #expect(left.holds(Self.v4) && left.routers()[0]["counters"]?["became_active"] == 1)
            #expect(right.routers()[0]["counters"]?["became_active"] == 0)
        }
    }

    @Test("a secret that came for a reload which was cancelled, or refused, is never used")
    func cancelledSecret() async throws {
        try await Self.withPair("address 10.9.0.10/24") { loop, left, right, _ in
            let file = Self.file(left.interface.name, "address 10.9.0.10/24")
            func prepare(_ text: String, _ generation: UInt64, _ answer: @escaping (ChildMessage) -> Bool) throws {
                try left.configure(text, generation: generation)
                try #require(try loop.waitFor { left.messages.contains(where: answer) })
            }
            // Another host has refused it. The supervisor that says so need not be the one that asked.
            try left.hand(PairSecret.generate().fileContents, as: .vrrpSecret)
            try prepare(file, 2) { $0 == .prepared(generation: 2) }
            left.supervisor.send(.cancel(generation: 1))
            left.commit(generation: 2)
            try #require(
                try loop.waitFor { left.messages.contains { if case .refused(2, _) = $0 { true } else { false } } })
            // This host refuses it itself.
            try left.hand(PairSecret.generate().fileContents, as: .vrrpSecret)
            try prepare("vrrp", 3) { if case .refused(3, _) = $0 { true } else { false } }
            // Only what the operator took back is in force.
            try prepare(file, 4) { $0 == .prepared(generation: 4) }
            left.commit(generation: 4)
            try #require(try loop.waitFor { left.messages.contains(.serving(generation: 4)) })
            let heard = try #require(right.routers()[0]["counters"]?["advertisements_received"]?.integer)
            try #require(
                try loop.waitFor {
                    right.routers()[0]["counters"]?["advertisements_received"]?.integer ?? 0 > heard + 5
                        || right.routers()[0]["refusals"]?.members?.isEmpty == false
                })
            #expect(right.routers()[0]["refusals"]?.members?.isEmpty == true)
            #expect(left.holds(Self.v4) && right.routers()[0]["counters"]?["became_active"] == 0)
        }
    }

    @Test("a host that begins with authentication, or ends it, costs nobody the address")
    func introduction() async throws {
        try await Self.withPair("address 10.9.0.10/24; advert-interval 300ms; authentication none") {
            loop, left, right, _ in
            func reload(_ host: VipHost, _ words: String, _ generation: UInt64) throws {
                try host.configure(
                    Self.file(host.interface.name, "address 10.9.0.10/24; advert-interval 300ms; \(words)"),
                    generation: generation)
                host.commit(generation: generation)
                try #require(try loop.waitFor { host.messages.contains(.serving(generation: generation)) })
                let sent = try #require(left.routers()[0]["counters"]?["advertisements_sent"]?.integer)
                try #require(
                    try loop.waitFor {
                        left.routers()[0]["counters"]?["advertisements_sent"]?.integer ?? 0 > sent + 6
                    }, "\(host.name) \(words): \(left.routers().map(\.text)) \(right.routers().map(\.text))")
                #expect(
                    left.holds(Self.v4) && !right.holds(Self.v4), "\(host.name) \(words): \(right.routers()[0].text)")
            }
            try reload(left, "authentication hmac", 2)
            try reload(right, "authentication hmac; authentication-mode permissive", 3)
            try reload(right, "authentication hmac", 4)
            // Back again: who was believed with a key is not believed without it, until that is allowed.
            try reload(right, "authentication hmac; authentication-mode permissive", 5)
            try reload(left, "authentication none", 6)
            try reload(right, "authentication none", 7)
            #expect(right.routers()[0]["counters"]?["became_active"] == 0)
        }
    }

    @Test("without the secret a configuration that needs one is refused")
    func missingSecret() async throws {
        try await NetworkPair.run { _ in
            let loop = try EventLoop()
            let host = try VipHost(
                "left", on: loop, configuration: Self.file("left", "address 10.9.0.10/24"), interface: "left",
                secret: nil)
            defer {
                host.killSupervisor()
                _ = try? loop.waitFor { host.exitStatus != nil }
            }
            try #require(
                try loop.waitFor { host.messages.contains { if case .refused(1, _) = $0 { true } else { false } } })
            guard case .refused(_, let reason)? = host.messages.first else { return }
            #expect(reason.contains("the pair secret was not handed over"))
        }
    }
}

extension VipHost {
    /// The whole answer to `status`.
    func report() -> JSON? { try? ask(["command": "status"]) }

    /// Every router's part of the status.
    func routers() -> [JSON] { report()?["routers"]?.array ?? [] }
}
