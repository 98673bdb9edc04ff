// Hooks: in order, one at a time, with an epoch, killed when they hang, and never in the way of adverts.

import Configuration
import Control
import Glibc
import Linux
import Supervisor
import Testing
import Wire

/// A directory that only root can write to, with hooks that write down what they are told.
final class HookDirectory: Sendable {
    let path = "/run/understudy-test-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"

    init() throws { try FileTree.makeDirectory(path) }

    deinit { try? FileTree.remove(path) }

    /// Makes a hook; what it does before it writes is for the test to say.
    func hook(_ name: String, _ body: String = "") throws -> String {
        let file = "\(path)/\(name)"
        try FileTree.write(
            file,
            Array(
                """
                #!/bin/sh
                \(body)
                echo "$UNDERSTUDY_EVENT $UNDERSTUDY_ROUTER $UNDERSTUDY_NODE $UNDERSTUDY_FORMER_ROLE>$UNDERSTUDY_ROLE \
                $UNDERSTUDY_PLANNED $UNDERSTUDY_PRIORITY $UNDERSTUDY_ADDRESSES $UNDERSTUDY_EPOCH" >> \(path)/told

                """.utf8), mode: 0o755)
        try File.setMode(file, 0o755)
        return file
    }

    /// What hooks wrote: the words of each line, the epoch apart.
    var told: [(words: String, epoch: UInt64)] {
        let text = (try? File.read("\(path)/told", limit: 65_536)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return text.split(separator: "\n").map { line in
            let words = line.split(separator: " ")
            return (words.dropLast().joined(separator: " "), UInt64(words.last ?? "") ?? 0)
        }
    }

    var words: [String] { told.map(\.words) }

    /// The configuration of a pair with these hooks, its admin socket in the directory.
    func text(_ hooks: String, address: String = "10.9.0.10/24") -> VipScene.Text {
        { [path] interface in
            VipPair.configuration(interface: interface, address: address, router: hooks)
                + "\nadmin { socket \(path)/admin.sock }\n"
        }
    }
}

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkHookTests {
    @Test("hooks run in order around a takeover and a step-down; before-release sees the address, after-release does not")
    func order() async throws {
        let directory = try HookDirectory()
        let claim = try directory.hook("claim")
        let before = try directory.hook("before", "ip address show dev left | grep -q 10.9.0.10/24 && echo there >> \(directory.path)/seen")
        let after = try directory.hook("after", "ip address show dev left | grep -q 10.9.0.10/24 || echo gone >> \(directory.path)/seen")
        let any = try directory.hook("any")
        let text = directory.text(
            "hook after-claim \(claim); hook before-release \(before); hook after-release \(after); hook role-change \(any)")
        try await VipScene.alone(.thread, text) { loop, host, _ in
            try #require(try loop.waitFor { directory.words.count == 4 })
            _ = try host.ask(["command": "step-down", "for_ms": 3000, "force": true])
            try #require(try loop.waitFor { directory.words.contains { $0.hasPrefix("after-release") } })
            try #require(try loop.waitFor { directory.words.count { $0.hasPrefix("after-claim") } == 2 })
            try #require(try loop.waitFor { directory.words.count == 10 })
            #expect(
                directory.words.prefix(7) == [
                    "role-change mqtt left initialize>backup no 150 10.9.0.10/24",
                    "role-change mqtt left backup>claiming no 150 10.9.0.10/24",
                    "after-claim mqtt left claiming>active no 150 10.9.0.10/24",
                    "role-change mqtt left claiming>active no 150 10.9.0.10/24",
                    "before-release mqtt left active>active yes 150 10.9.0.10/24",
                    "after-release mqtt left active>backup yes 150 10.9.0.10/24",
                    "role-change mqtt left active>backup yes 150 10.9.0.10/24",
                ])
            let seen = try File.read("\(directory.path)/seen", limit: 1000)
            #expect(String(decoding: seen, as: UTF8.self) == "there\ngone\n")
            // One number from a claim to its release; the next claim has a greater one.
            let epochs = directory.told.map(\.epoch)
            let first = epochs[2]
            #expect(first > 0 && epochs[2...6].allSatisfy { $0 == first })
            #expect(try #require(epochs.last) > first && epochs == epochs.sorted())
            let hooks = try #require(try host.router()?["hooks"])
            #expect(hooks["succeeded"] == 10 && hooks["failed"] == 0 && hooks["waiting"] == 0)
            #expect(hooks["hooks"]?.array?.first?["last_result"] == "exit status 0")
        }
    }

    @Test("the epoch goes on where it was when the process is another one, also when the clock went back")
    func epoch() async throws {
        let directory = try HookDirectory()
        let text = directory.text("hook after-claim \(try directory.hook("claim"))")
        // As if the clock had been ahead by centuries when the last claim was made.
        try FileTree.write("\(directory.path)/epoch-mqtt", Array("9000000000000000\n".utf8))
        for round in 1...2 {
            try await VipScene.alone(.thread, text) { loop, _, _ in
                try #require(try loop.waitFor { directory.told.count == round })
            }
        }
        #expect(directory.told.map(\.epoch) == [9_000_000_000_000_001, 9_000_000_000_000_002])
        #expect(try File.read("\(directory.path)/epoch-mqtt", limit: 100) == Array("9000000000000002\n".utf8))
    }

    @Test("a hook that hangs is killed with everything it started, and adverts go on meanwhile")
    func hanging() async throws {
        let directory = try HookDirectory()
        let hang = try directory.hook("hang", "sleep 600 & echo $! > \(directory.path)/child; sleep 600")
        let text = directory.text("hook before-release \(hang) timeout 1s")
        try await VipScene.both(text) { loop, left, right, _ in
            let sent = try left.counter("advertisements_sent")
            // Answered when the other host has the address.
            left.supervisor.send(.query(id: 4711, request: ["command": "step-down"]))
            // While it hangs the address stays where it is, and is advertised.
            try #require(try loop.waitFor { (try? left.counter("advertisements_sent")) ?? 0 > sent + 5 })
            #expect(left.holds(VipScene.address) && !right.holds(VipScene.address))
            try #require(try loop.waitFor { right.holds(VipScene.address) && !left.holds(VipScene.address) })
            #expect(try right.counter("became_active") == 1)
            #expect(try #require(try right.router()?["why"]?.string).contains("handed over"))
            let hooks = try #require(try left.router()?["hooks"])
            #expect(hooks["killed"] == 1)
            #expect(hooks["hooks"]?.array?.first?["last_result"] == "killed at its timeout")
            let child = String(decoding: try File.read("\(directory.path)/child", limit: 20), as: UTF8.self)
            let pid = try #require(Int32(child.prefix { $0 != "\n" }))
            try #require(try loop.waitFor { !isRunning(pid) })
        }
    }

    /// Whether a process runs: one that has ended and waits for its parent does not.
    private func isRunning(_ pid: Int32) -> Bool {
        guard let status = try? File.read("/proc/\(pid)/stat", limit: 1000) else { return false }
        return !String(decoding: status, as: UTF8.self).contains(") Z ")
    }

    @Test("a router whose address nobody claims is active without it, and its hooks move it")
    func unclaimed() async throws {
        let directory = try HookDirectory()
        let move = try directory.hook("move", "test \"$(ip -o address show dev left | grep -c 192.0.2.10)\" = 0")
        let text: VipScene.Text = directory.text(
            "hook after-claim \(move); hook after-release \(move)", address: "192.0.2.10/32 unclaimed")
        try await VipScene.both(text) { loop, left, right, pair in
            #expect(!left.holds("192.0.2.10"))
            try #require(try loop.waitFor { directory.words.count == 1 })
            left.killSupervisor()
            try #require(try loop.waitFor { (try? right.router()?["state"]) == "active" })
            try #require(try loop.waitFor { directory.words.count == 3 })
            // Both hosts write into one file here: whose was first is not said, whose number is greater is.
            let told = directory.told
            #expect(told[0].words == "after-claim mqtt left claiming>active no 150 192.0.2.10/32")
            let release = try #require(told.first { $0.words.hasPrefix("after-release mqtt left active>initialize yes") })
            let claim = try #require(told.first { $0.words.hasPrefix("after-claim mqtt right claiming>active no 100") })
            #expect(claim.epoch > release.epoch)
            #expect(try right.router()?["addresses"]?.array?.first?["claimed"] == false)
        }
    }

    @Test("who sees another active router give way is told")
    func reclaimed() async throws {
        let directory = try HookDirectory()
        let text = directory.text("hook reclaimed \(try directory.hook("reclaimed"))")
        try await VipScene.both(text) { loop, left, right, pair in
            // For a while the right host hears nobody and becomes active too.
            try pair.inRight { try shell("nft add table inet cut && nft add chain inet cut in '{ type filter hook input priority 0; }' && nft add rule inet cut in ip protocol 112 drop") }
            try #require(try loop.waitFor { right.holds(VipScene.address) })
            try pair.inRight { try shell("nft delete table inet cut") }
            try #require(try loop.waitFor { !right.holds(VipScene.address) })
            try #require(try loop.waitFor { directory.words.contains { $0.hasPrefix("reclaimed mqtt left active>active") } })
            #expect(left.holds(VipScene.address))
        }
    }

    @Test("a program that others than root could change is refused before it runs")
    func trust() throws {
        let directory = try HookDirectory()
        let good = try directory.hook("good")
        #expect(try refusals(good).isEmpty)
        let open = try directory.hook("open")
        try File.setMode(open, 0o777)
        #expect(try refusals(open) == ["vrrp v: hook after-claim: \(open) can be written by others than root"])
        let still = try directory.hook("still")
        try File.setMode(still, 0o644)
        #expect(try refusals(still) == ["vrrp v: hook after-claim: \(still) may not be executed"])
        #expect(try refusals("\(directory.path)/none").count == 1)
        // A directory where everybody may rename and remove what is there, and one where only owners may.
        let everybody = "\(directory.path)/everybody"
        try FileTree.makeDirectory(everybody)
        let loose = "\(everybody)/hook"
        try FileTree.write(loose, [], mode: 0o755)
        try File.setMode(everybody, 0o777)
        #expect(try refusals(loose) == ["vrrp v: hook after-claim: \(everybody) can be written by others than root"])
        try File.setMode(everybody, 0o1777)
        #expect(try refusals(loose).isEmpty)
    }

    private func refusals(_ path: String) throws -> [String] {
        var configuration = Configuration()
        var router = Configuration.VirtualRouterSettings(
            name: "v", interface: "eth0", routerID: 1, addresses: [], priority: 100)
        router.hooks = [.init(.afterClaim, path: path)]
        configuration.routers = [router]
        return HookCheck.refusals(configuration)
    }
}
