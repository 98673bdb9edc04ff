// Nothing is announced that the kernel does not show.

import Control
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkTruthTests {
    private static let makeOther =
        "ip link add other type veth peer name another && ip link set other up && ip link set another up"

    @Test("a host whose kernel refuses an address advertises nothing, and the other one is active")
    func refusedClaim() async throws {
        // The second address belongs on a link that can be taken away; it is made where each host is about to start.
        try await VipScene.both({ interface in
            _ = succeeds(Self.makeOther)
            return VipPair.configuration(
                interface: interface, router: "authentication none; address 10.8.0.10/24 dev other")
        }) { loop, left, right, pair in
            let ear = try pair.inRight {
                try AdvertisementSocket(family: .ipv4, interface: try Netlink().interface("right"), joinsGroup: false)
            }
            let source = IPAddress.v4(IPv4Address(10, 9, 0, 1))
            func claimsHeard() throws -> Int {
                var count = 0
                // A bounded number at a time, until nothing is left.
                while true {
                    var seen = 0
                    try ear.drain { packet in
                        seen += 1
                        if packet.source == source, packet.payload.count > 2, packet.payload[2] > 0 { count += 1 }
                    }
                    if seen == 0 { return count }
                }
            }
            let removal = Clock.now
            try loop.shell("ip link del other")
            try #require(try loop.waitFor { right.holds(VipScene.address) })
            print("the other host is active", (Clock.now - removal).text, "after the link of an address is gone")
            try #require(try loop.waitFor { (try? right.router()?["state"]) == "active" })
            #expect(try loop.waitFor { !left.holds(VipScene.address) })
            _ = try claimsHeard()

            // Nobody else is there any more: now it would have to claim, and cannot.
            right.supervisor.send(.stop(deadline: Clock.now + .seconds(1)))
            try #require(try loop.waitFor { !right.holds(VipScene.address) })
            try loop.turn(for: .milliseconds(1500))
            #expect(try claimsHeard() == 0, "an advert of a host that cannot have its addresses")
            #expect(!left.holds(VipScene.address))
            #expect(try left.router()?["state"] != "active")

            try loop.shell(Self.makeOther)
            #expect(try loop.waitFor { left.holds(VipScene.address) })
            #expect(try loop.waitFor { (try? claimsHeard()) ?? 0 > 0 })
        }
    }
}
