// What a virtual router depends on, each source on the real kernel: servers, interfaces, files, scripts.

import Control
import Failover
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkTrackingTests {
    static let address = "10.9.0.10"

    /// Two hosts joined by a cable and by a pair link; the left one is active when the body begins.
    static func withPair(
        router: String, rightRouter: String? = nil, rest: String = "", linked: Bool = true, prepare: @escaping @Sendable () throws -> Void = {},
        _ body: @escaping @Sendable (EventLoop, VipHost, VipHost, borrowing NetworkPair) throws -> Void
    ) async throws {
        try await NetworkPair.run { pair in
            let loop = try EventLoop()
            func text(_ name: String) -> String {
                VipPair.configuration(interface: name, router: name == "right" ? rightRouter ?? router : router)
                    + "\n" + rest
            }
            try prepare()
            let left = try VipHost("left", on: loop, configuration: text("left"), interface: "left")
            let right = try pair.inRight {
                try prepare()
                return try VipHost("right", on: loop, configuration: text("right"), interface: "right")
            }
            defer {
                left.killSupervisor()
                right.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil && right.exitStatus != nil }
            }
            if linked {
                left.listen(to: right)
                right.listen(to: left)
            }
            // The left one gets a head start; then the other one hears it and waits.
            let beat = right.beat
            right.beat = nil
            try #require(try loop.waitFor { left.holds(address) })
            right.beat = beat
            try #require(
                try loop.waitFor { (try? right.router()?["why"]?.string?.contains("10.9.0.1 is active")) == true })
            try body(loop, left, right, pair)
        }
    }

    /// A directory that belongs to root, where scripts may stand; removed by the caller.
    static func makeDirectory() throws -> String {
        let path = "/run/understudy-test-\(ProcessSelf.pid)-\(UInt32.random(in: 0 ... .max))"
        try shell("mkdir -m 755 \(path)")
        return path
    }

    private static func why(_ host: VipHost) -> String { (try? host.router()?["why"]?.string) ?? "" }

    // MARK: Servers

    @Test("a host that lost all its servers hands over, and does not take the address back")
    func withoutServers() async throws {
        try await Self.withPair(router: "") { loop, left, right, _ in
            left.beat?.usableServers = 0
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            #expect(try left.router()?["counters"]?["impaired_hand_overs"] == 1)
            #expect(try left.router()?["priority_in_force"] == 1)
            left.beat?.usableServers = 1
            try #require(try loop.waitFor { (try? left.router()?["priority_in_force"]) == 150 })
            let seen = try #require(try left.router()?["counters"]?["advertisements_received"]?.integer)
            try #require(
                try loop.waitFor {
                    ((try? left.router()?["counters"]?["advertisements_received"]?.integer) ?? 0) > seen + 10
                })
            #expect(right.holds(Self.address) && !left.holds(Self.address), "preempt never")
        }
    }

    @Test("without servers anywhere the address stays where it is, and it goes where they come back first")
    func withoutAnyServers() async throws {
        try await Self.withPair(router: "") { loop, left, right, _ in
            left.beat?.usableServers = 0
            right.beat?.usableServers = 0
            try #require(try loop.waitFor { (try? right.router()?["priority_in_force"]) == 1 })
            let reports = try #require(try left.router()?["counters"]?["peer_reports"]?.integer)
            try #require(
                try loop.waitFor { ((try? left.router()?["counters"]?["peer_reports"]?.integer) ?? 0) > reports + 20 })
            #expect(left.holds(Self.address) && !right.holds(Self.address))
            right.beat?.usableServers = 2
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
        }
    }

    @Test("one backend with too few servers is a fault where the file says so")
    func servers() async throws {
        try await Self.withPair(router: "track servers brokers") { loop, left, right, _ in
            left.beat?.backends[0].usableServers = 0
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            #expect(Self.why(left) == "not active: not ready to serve: backend brokers: 0 usable of at least 1")
            left.beat?.backends[0].usableServers = 1
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "backup" })
        }
    }

    @Test("a balancer that does not know its servers yet costs nothing")
    func unsettled() async throws {
        try await NetworkPair.run { _ in
            let loop = try EventLoop()
            let text = VipPair.configuration(interface: "left", router: "track servers brokers")
            let left = try VipHost("left", on: loop, configuration: text, interface: "left")
            defer {
                left.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil }
            }
            func sent() -> Int64 { (try? left.router()?["counters"]?["advertisements_sent"]?.integer) ?? 0 }
            func losses() -> JSON? { try? left.ask(["command": "status"])?["balancer"]?["losses"] }
            // A machine that stalls for longer than a balancer may be silent shows nothing: then once more.
            for attempt in 1...10 {
                left.beat?.settled = true
                left.beat?.usableServers = 1
                left.beat?.backends[0].usableServers = 1
                try #require(try loop.waitFor { left.holds(Self.address) })
                let (start, before) = (sent(), losses())
                left.beat?.settled = false
                left.beat?.usableServers = 0
                left.beat?.backends[0].usableServers = 0
                try #require(try loop.waitFor { sent() > start + 10 || losses() != before })
                guard losses() == before || attempt == 10 else { continue }
                #expect(left.holds(Self.address))
                #expect(try left.router()?["priority_in_force"] == 150)
                return
            }
        }
    }

    // MARK: Interfaces

    @Test("an interface that flaps is ignored, one that stays down is a fault, until it has been up for a while")
    func interface() async throws {
        try await Self.withPair(
            router: "track interface uplink down 500ms up 100ms",
            prepare: { try shell("ip link add uplink type veth peer name far && ip link set far up && ip link set uplink up") }
        ) { loop, left, right, _ in
            let transitions = try left.router()?["counters"]?["transitions"]
            for _ in 0..<5 { try loop.shell("ip link set uplink down; ip link set uplink up") }
            let sent = try #require(try left.router()?["counters"]?["advertisements_sent"]?.integer)
            try #require(
                try loop.waitFor {
                    ((try? left.router()?["counters"]?["advertisements_sent"]?.integer) ?? 0) > sent + 8
                })
            #expect(try left.router()?["counters"]?["transitions"] == transitions)
            try loop.shell("ip link set uplink down")
            try #require(try loop.waitFor { right.holds(Self.address) && !left.holds(Self.address) })
            #expect(Self.why(left) == "not active: not ready to serve: interface uplink: down")
            try loop.shell("ip link set uplink up")
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "backup" })
            // One that is gone altogether.
            try loop.shell("ip link delete uplink")
            try #require(try loop.waitFor { (try? left.router()?["state"]) == "initialize" })
        }
    }

    // MARK: Files and scripts

    @Test("a number in a file takes the host out, and no file is well")
    func file() async throws {
        let directory = try Self.makeDirectory()
        defer { try? shell("rm -rf \(directory)") }
        try await Self.withPair(router: "track file \(directory)/left; track file /dev/null weight 5") {
            loop, left, right, _ in
            try loop.shell("echo 1 > \(directory)/left")
            // Both hosts are this machine: both see the file.
            try #require(try loop.waitFor { !left.holds(Self.address) && !right.holds(Self.address) })
            #expect(Self.why(left) == "not active: not ready to serve: file \(directory)/left: says 1")
            try loop.shell("echo nonsense > \(directory)/left")
            try #require(try loop.waitFor { Self.why(left).contains("unreadable or not a number") })
            try loop.shell("rm \(directory)/left")
            try #require(try loop.waitFor { left.holds(Self.address) || right.holds(Self.address) })
        }
    }

    @Test("a script that fails, hangs or cannot run takes the host out; what it started is killed")
    func script() async throws {
        let directory = try Self.makeDirectory()
        defer { try? shell("rm -rf \(directory)") }
        @Sendable func write(_ text: String, _ loop: EventLoop) throws {
            try loop.shell("printf '#!/bin/sh\\n\(text)\\n' > \(directory)/new")
            try loop.shell("chmod 755 \(directory)/new && mv \(directory)/new \(directory)/check")
        }
        try write("exit 0", EventLoop())
        let rest = "script check { command \(directory)/check; argument one; user root; every 100ms; timeout 300ms; fall 2 }"
        try await Self.withPair(router: "track script check", rest: rest) { loop, left, right, _ in
            func fails(_ words: String) throws -> Bool {
                try loop.waitFor { Self.why(left).contains(words) && !left.holds(Self.address) }
            }
            func recovers() throws {
                try write("exit 0", loop)
                try #require(try loop.waitFor { left.holds(Self.address) || right.holds(Self.address) })
                try #require(try loop.waitFor { (try? left.router()?["state"]) != "initialize" })
            }
            try write("exit 3", loop)
            try #require(try fails("failed with exit status 3"))
            try recovers()
            // It and what it started hang; both are gone when the run is over.
            try write("echo $$ >> \(directory)/pids; sleep 600 & echo $! >> \(directory)/pids; wait", loop)
            try #require(try fails("did not end in time"))
            try recovers()
            try #require(
                try loop.waitFor {
                    succeeds("for p in $(cat \(directory)/pids); do [ ! -e /proc/$p ] || exit 1; done")
                })
            try loop.shell("rm \(directory)/check")
            try #require(try fails("could not run"))
            try recovers()
            try loop.shell("chmod 777 \(directory)/check")
            try #require(try fails("could not run (errno 1)"))
            try recovers()
            try write("kill -SEGV $$", loop)
            try #require(try fails("was ended by signal 11"))
        }
    }

    @Test("scripts are nobody in particular and have no right; hooks are who they are said to be")
    func users() async throws {
        let directory = try Self.makeDirectory()
        defer { try? shell("rm -rf \(directory)") }
        // Where nobody else may write, nobody tells anything.
        try shell("mkdir -m 1777 \(directory)/told")
        for (name, user) in [("check", ""), ("named", "daemon"), ("hook", "daemon"), ("rooted", "")] {
            let told = "\(directory)/told/\(name)\(user)"
            let words = "echo $(id -un) $(id -Gn) $(grep CapEff /proc/self/status | cut -f 2)"
            // Written at once: it is read while it is written again.
            let text = "#!/bin/sh\n\(words) > \(told).$$ && mv \(told).$$ \(told)\n"
            try FileTree.write("\(directory)/\(name)", Array(text.utf8))
            try shell("chmod 755 \(directory)/\(name)")
        }
        let rest = """
            script check { command \(directory)/check; every 100ms; timeout 5s }
            script named { command \(directory)/named; user daemon; every 100ms; timeout 5s }
            """
        let router = """
            track script check; track script named
            hook after-claim \(directory)/hook user daemon
            hook after-claim \(directory)/rooted
            """
        @Sendable func told(_ name: String) -> String {
            (try? File.read("\(directory)/told/\(name)", limit: 1000)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        let scripts = try User.forScripts()
        try await Self.withPair(router: router, rest: rest) { loop, _, _, _ in
            let none = "0000000000000000\n"
            try #require(try loop.waitFor { told("check").hasSuffix(none) }, "\(told("check"))")
            #expect(told("check").hasPrefix("\(scripts.name) "))
            try #require(try loop.waitFor { told("nameddaemon") == "daemon daemon \(none)" }, "\(told("nameddaemon"))")
            try #require(try loop.waitFor { told("hookdaemon") == "daemon daemon \(none)" }, "\(told("hookdaemon"))")
            try #require(try loop.waitFor { told("rooted").hasPrefix("root ") }, "\(told("rooted"))")
        }
    }

    @Test("a script that hangs delays no advertisement")
    func hangingScript() async throws {
        let directory = try Self.makeDirectory()
        defer { try? shell("rm -rf \(directory)") }
        try shell("printf '#!/bin/sh\\nexec sleep 600\\n' > \(directory)/check && chmod 755 \(directory)/check")
        let rest = "script check { command \(directory)/check; every 100ms; timeout 30s }"
        try await NetworkPair.run { _ in
            let loop = try EventLoop()
            let text = VipPair.configuration(interface: "left", router: "track script check weight -10") + "\n" + rest
            let left = try VipHost("left", on: loop, configuration: text, interface: "left")
            defer {
                left.killSupervisor()
                _ = try? loop.waitFor { left.exitStatus != nil }
            }
            // Not observed yet: the weight is missing, the address is not.
            try #require(try loop.waitFor { left.holds(Self.address) })
            #expect(try left.router()?["priority_in_force"] == 140)
            let sent = try #require(try left.router()?["counters"]?["advertisements_sent"]?.integer)
            try #require(
                try loop.waitFor {
                    ((try? left.router()?["counters"]?["advertisements_sent"]?.integer) ?? 0) > sent + 20
                })
        }
    }

    @Test("a reload that adds a script leaves the address where it is")
    func reload() async throws {
        let directory = try Self.makeDirectory()
        defer { try? shell("rm -rf \(directory)") }
        try shell("printf '#!/bin/sh\\nsleep 0.3\\n' > \(directory)/check && chmod 755 \(directory)/check")
        try await Self.withPair(router: "") { loop, left, _, _ in
            let transitions = try left.router()?["counters"]?["transitions"]
            let text =
                VipPair.configuration(interface: "left", router: "track script check; track file /dev/null")
                + "\nscript check { command \(directory)/check; every 100ms; timeout 10s }"
            try left.configure(text, generation: 2)
            left.commit(generation: 2)
            try #require(
                try loop.waitFor {
                    let items = (try? left.router()?["tracking"]?.array) ?? []
                    return items.contains { $0["item"] == "script check" && $0["detail"] == "succeeded" }
                })
            #expect(try left.router()?["counters"]?["transitions"] == transitions)
            #expect(left.holds(Self.address))
        }
    }
}
