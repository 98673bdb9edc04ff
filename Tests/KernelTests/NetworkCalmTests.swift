// What must not disturb a vip process: a hand-over that nobody wants, big files, other people's interfaces, a socket that the
// kernel does not give at once.

import Control
import Failover
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkCalmTests {
    // MARK: A step-down without a peer

    @Test("a step-down that nobody answers keeps the address, closes nothing, and says so")
    func nobodyTakesOver() async throws {
        try await VipScene.alone { loop, host, _ in
            let monitor = try NetlinkMonitor()
            let notices = host.notices.count
            let answer = try #require(try host.ask(["command": "step-down", "for_ms": 7_200_000]))
            #expect(answer["ok"] == false && answer["kept"] == ["mqtt"] && answer["handed_over"] == [])
            #expect(answer["error"]?.string?.contains("nobody takes over") == true)
            #expect(host.holds(VipScene.address))
            try #require(try loop.waitFor { (try? host.router()?["why"]?.string?.contains("nobody took")) == true })
            #expect(try host.router()?["state"] == "active" && host.counter("partings_unseen") == 1)
            #expect(try monitor.removals().isEmpty)
            // The balancer never heard that its sessions are to be closed.
            #expect(host.notices.dropFirst(notices).allSatisfy { $0.isActive && $0.routers.allSatisfy { $0.role == .active } })
            try #require(try loop.waitFor { host.notices.last?.steppingDown == false })
        }
    }

    @Test("with force it goes, nobody is said to have it, and it is back after ten seconds at the most")
    func forced() async throws {
        try await VipScene.alone { loop, host, _ in
            let answer = try #require(
                try host.ask(["command": "step-down", "for_ms": 3000, "force": true]))
            #expect(answer == ["ok": true, "handed_over": [], "released": ["mqtt"]])
            try #require(try loop.waitFor { !host.holds(VipScene.address) })
            try #require(try loop.waitFor { host.holds(VipScene.address) })
        }
    }

    // MARK: A configuration that takes long to read

    @Test("while a big configuration is read, vip goes on")
    func bigFile() async throws {
        try await VipScene.alone { loop, host, _ in
            let servers = (0..<1000).map { "server s\($0) 10.\(100 + $0 / 250).1.\($0 % 250 + 1):1883" }
            let list = String((0..<60_000).map { "10.\($0 >> 8 & 255).\($0 & 255).0/24\n" }.joined().prefix(1_000_000))
            let text =
                VipPair.configuration(interface: "left", router: "address 10.9.0.77/24")
                .replacing("use brokers }", with: "use brokers; access deny file list.txt }")
                .replacing("server one 10.9.0.3:1883", with: servers.joined(separator: "\n"))
            try host.configure(
                text, files: [.init(path: "list.txt", bytes: Array(list.utf8))], generation: 2)
            // Asked after the file, answered before it is read.
            #expect(try host.router()?["state"] == "active")
            #expect(!host.messages.contains(.prepared(generation: 2)))
            // Said before it can be done: it waits.
            host.commit(generation: 2)
            let end = Clock.now + .seconds(60)
            while !host.messages.contains(.serving(generation: 2)), Clock.now < end { try loop.turn(limit: .milliseconds(10)) }
            #expect(host.messages.contains(.prepared(generation: 2)))
            try #require(try loop.waitFor { host.holds("10.9.0.77") && host.holds(VipScene.address) })
        }
    }

    @Test("what is not waited for any more changes nothing")
    func cancelled() async throws {
        try await VipScene.alone { loop, host, _ in
            try host.configure(
                VipPair.configuration(interface: "left", address: "10.9.0.78/24"), generation: 2)
            host.supervisor.send(.cancel(generation: 2))
            try host.configure(
                VipPair.configuration(interface: "left", router: "address 10.9.0.79/24"), generation: 3)
            host.commit(generation: 3)
            try #require(try loop.waitFor { host.messages.contains(.serving(generation: 3)) })
            try #require(try loop.waitFor { host.holds("10.9.0.79") })
            #expect(!host.messages.contains(.prepared(generation: 2)) && host.holds(VipScene.address))
        }
    }

    // MARK: Other people's interfaces

    @Test("interfaces that come and go and are none of ours are not looked at; ours are")
    func strangers() async throws {
        try await VipScene.alone { loop, host, _ in
            func looks() throws -> Int64 { try #require(try host.ask(["command": "status"])?["netlink_looks"]?.integer) }
            try loop.turn(for: .milliseconds(200))
            let before = try looks()
            try loop.shell(
                "for n in $(seq 20); do ip link add stranger$n type veth peer name other$n && ip link set stranger$n up"
                    + " && ip address add 10.77.$n.1/24 dev stranger$n && ip link del stranger$n; done")
            try loop.turn(for: .milliseconds(200))
            #expect(try looks() == before)
            try loop.shell("ip address del \(VipScene.address)/24 dev left")
            try #require(try loop.waitFor { (try? looks()) ?? 0 > before && host.holds(VipScene.address) })
        }
    }

    // MARK: A socket that is not to be had

    @Test("a socket that the kernel does not give is asked for again, and the reason is true")
    func noSocket() async throws {
        try await NetworkPair.run { _ in
            let loop = try EventLoop()
            let limit = "/proc/sys/net/ipv4/igmp_max_memberships"
            try shell("echo 0 > \(limit)")
            let host = try VipHost(
                "left", on: loop, configuration: VipPair.configuration(interface: "left", router: "transport multicast"),
                interface: "left")
            defer { host.end() }
            try #require(
                try loop.waitFor { (try? host.router()?["why"]?.string?.contains("no socket for advertisements")) == true })
            #expect(try host.router()?["state"] == "initialize" && host.router()?["interface_up"] == true)
            // No news of any interface comes with this.
            try shell("echo 20 > \(limit)")
            try #require(try loop.waitFor { (try? host.router()?["state"]) == "active" })
        }
    }
}
