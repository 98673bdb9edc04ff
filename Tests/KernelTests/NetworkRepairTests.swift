// Addresses that somebody else removes, lost news, and leftovers of an earlier run.

import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkRepairTests {
    @Test("a removed address is back at once with an announcement, ten times in a minute, and then the other host has it")
    func repair() async throws {
        try await VipScene.both { loop, left, right, _ in
            var slowest = Duration.zero
            for round in 1...10 {
                let announcements = try left.counter("announcements")
                let removal = Clock.now
                try shell("ip address del 10.9.0.10/24 dev left")
                while !left.holds(VipScene.address), Clock.now - removal < .seconds(10) {
                    ProcessSelf.pause(.milliseconds(1))
                }
                slowest = max(slowest, Clock.now - removal)
                try #require(try loop.waitFor { (try? left.counter("addresses_lost")) == Int64(round) })
                try #require(try loop.waitFor { (try? left.counter("announcements")) ?? 0 > announcements })
            }
            print("a removed address is back after at most", slowest.text)
            #expect(try left.counter("became_active") == 1 && right.counter("became_active") == 0)
            try shell("ip address del 10.9.0.10/24 dev left")
            try #require(try loop.waitFor { right.holds(VipScene.address) })
            #expect(!left.holds(VipScene.address))
            #expect(try left.counter("contests") == 1)
            #expect(try #require(try left.router()?["why"]?.string).contains("somebody removed the address"))
        }
    }

    @Test("when news of the kernel are lost, everything is looked at again")
    func overrun() async throws {
        try await VipScene.alone(.process()) { loop, host, _ in
            let process = try #require(host.process)
            try process.send(Signals.stop)
            // More news than the socket holds, and among them the loss of the address.
            try shell(
                """
                { echo 'link add flood type veth peer name flooded'; for i in $(seq 1 6000); do
                echo "address add 10.77.$((i / 250)).$((i % 250 + 1))/32 dev flood"; done; } > /tmp/understudy-flood.$$ ;
                ip -batch /tmp/understudy-flood.$$ && ip address del 10.9.0.10/24 dev left && ip link del flood && rm -f /tmp/understudy-flood.$$
                """)
            try process.send(Signals.continue)
            try #require(try loop.waitFor { host.holds(VipScene.address) })
            let status = try #require(try host.ask(["command": "status"]))
            try #require(try #require(status["netlink_news_lost"]?.integer) > 0, "\(status.text)")
            #expect(try host.counter("addresses_lost") == 1)
        }
    }

    @Test("what an earlier run left is taken over or removed at the start, with our mark or without")
    func leftovers() async throws {
        let text: VipScene.Text = {
            VipPair.configuration(interface: $0, router: "address 10.9.0.11/24")
        }
        try await VipScene.alone(
            .thread,
            prepare: {
                let netlink = try Netlink()
                let index = try netlink.interface("left").index
                // One of two is here, without our mark: a state that nobody serves. A third is marked and not ours any more.
                try shell("ip address add 10.9.0.11/24 dev left")
                try netlink.claim(try #require(IPPrefix("10.9.0.12/24")), on: index)
                // Somebody else's.
                try shell("ip address add 10.9.0.13/24 dev left")
            }, text
        ) { loop, host, _ in
            try #require(try loop.waitFor { host.holds("10.9.0.10") && host.holds("10.9.0.11") })
            #expect(!host.holds("10.9.0.12") && host.holds("10.9.0.13"))
            let shown = try host.netlink.addresses(on: host.interface.index)
            // Ours carry the mark and a lifetime, whatever they were before.
            for address in ["10.9.0.10", "10.9.0.11"] {
                let found = try #require(shown.first { $0.prefix.address == IPAddress(address) })
                #expect(found.isOurs && !found.isPermanent)
            }
        }
    }
}
