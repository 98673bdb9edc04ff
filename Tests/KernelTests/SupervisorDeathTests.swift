// A supervisor that dies, and a keeper that does, with everything they leave.

import Glibc
import Linux
import Testing
import Wire

@Suite("A supervisor that dies", .serialized)
struct SupervisorDeathTests {
    /// A daemon with sessions through it.
    final class Scene {
        let broker: EventLoop
        let traffic: SuccessionTraffic
        let daemon: Daemon

        init(sessions: Int = 8, lines: String = "") throws {
            broker = try EventLoop()
            traffic = try SuccessionTraffic(on: broker, seed: 23)
            let port = traffic.port
            daemon = try Daemon { $0.replacing("127.0.0.1:9;", with: "127.0.0.1:\(port);") + lines }
            try daemon.turn { daemon.isTold("READY=1") }
            traffic.target = daemon.port
            for number in 0..<sessions { try traffic.begin(isSmall: number % 4 == 0) }
        }

        /// Waits with bytes on their way all the time.
        func turn(until done: () throws -> Bool) throws {
            try daemon.turn {
                for _ in 0..<5 { try broker.turn(limit: .milliseconds(2)) }
                return try done()
            }
        }

        /// Waits for a supervisor that is not `former`, and for a balancer that serves under it.
        func successor(of former: Int32) throws {
            try turn {
                guard let status = try? daemon.ask(["command": "status"]),
                    let pid = status["supervisor"]?["pid"]?.integer, pid != former, status["reloading"] == false
                else { return false }
                return try daemon.balancer()["phase"] == "serving"
            }
        }

        func finish() throws {
            try traffic.finish()
            #expect(traffic.failures.isEmpty, "\(traffic.failures.prefix(5)) of \(traffic.failures.count): \(daemon.log)")
            #expect(traffic.moved > 100_000)
        }
    }

    /// Whether a process writes into this file: one of a daemon's, whoever started it.
    private func isWritten(_ path: String) -> Bool { succeeds("ls -l /proc/[0-9]*/fd/2 2>/dev/null | grep -q -- '-> \(path)$'") }

    /// The supervisor sees that its keeper is gone, and ends everything in order.
    @Test("keeper: leaves no process behind")
    func keeper() throws {
        for _ in 0..<4 {
            let daemon = try Daemon()
            try daemon.turn { daemon.isTold("READY=1") }
            let log = "\(daemon.directory).log"
            #expect(isWritten(log))
            try daemon.send(Signals.kill)
            try daemon.turn { !isWritten(log) }
        }
    }

    @Test("is followed by another, and no session, reload or death of a balancer notices")
    func followed() throws {
        let scene = try Scene()
        let balancer = try scene.daemon.balancer()["pid"]
        for round in 0..<4 {
            let former = try scene.daemon.supervisor()
            #expect(kill(former, SIGKILL) == 0)
            try scene.successor(of: former)
            #expect(try scene.daemon.balancer()["pid"] == balancer)
            let status = try scene.daemon.ask(["command": "status"])
            #expect(status["supervisor"]?["deaths"]?.integer == Int64(round + 1))
            #expect(status["supervisor"]?["last_ending"]?.string == "signal 9 (SIGKILL)", "\(status.text.prefix(300))")
            try scene.traffic.begin(isSmall: false)
        }
        // It is the balancer's supervisor, though not its parent.
        try scene.daemon.write(scene.daemon.file.replacing("size 1000", with: "size 1000; expire 25m"))
        try scene.turn { try scene.daemon.ask(["command": "reload"])["ok"] == true }
        for _ in 0..<2 {
            let former = try #require(try scene.daemon.balancer()["pid"]?.integer)
            #expect(kill(Int32(former), SIGKILL) == 0)
            try scene.turn {
                let balancer = try scene.daemon.balancer()
                return balancer["phase"] == "serving" && balancer["pid"]?.integer != former
            }
        }
        try scene.finish()
        #expect(try scene.daemon.ask(["command": "stop"])["ok"] == true)
        try scene.daemon.turn { scene.daemon.ending != nil }
        #expect(scene.daemon.ending == .exited(0))
    }

    @Test("together with the balancer leaves both to who follows")
    func both() throws {
        let scene = try Scene()
        for _ in 0..<3 {
            let supervisor = try scene.daemon.supervisor()
            let balancer = try #require(try scene.daemon.balancer()["pid"]?.integer)
            #expect(kill(supervisor, SIGKILL) == 0 && kill(Int32(balancer), SIGKILL) == 0)
            try scene.successor(of: supervisor)
            try scene.turn { try scene.daemon.balancer()["pid"]?.integer != balancer }
        }
        try scene.finish()
    }

    @Test("and balancers that do, keep what the operator ordered about servers")
    func orders() throws {
        let scene = try Scene(sessions: 2)
        func server() throws -> JSON? {
            try scene.daemon.ask(["command": "status"])["balancer"]?["backends"]?.array?.first?["servers"]?.array?.first
        }
        #expect(try scene.daemon.ask(["command": "weight", "server": "one", "weight": 7])["ok"] == true)
        #expect(try scene.daemon.ask(["command": "drain", "server": "one"])["ok"] == true)
        #expect(try scene.daemon.ask(["command": "drain", "server": "none"])["ok"] == false)
        let first = try #require(try server())
        #expect(first["weight"] == 7 && first["status"]?.string == "drain", "\(first.text)")
        let supervisor = try scene.daemon.supervisor()
        #expect(kill(supervisor, SIGKILL) == 0)
        try scene.successor(of: supervisor)
        let former = try #require(try scene.daemon.balancer()["pid"]?.integer)
        #expect(kill(Int32(former), SIGKILL) == 0)
        try scene.turn {
            let balancer = try scene.daemon.balancer()
            return balancer["phase"] == "serving" && balancer["pid"]?.integer != former
        }
        try scene.turn { try server()?["status"] == first["status"] && server()?["weight"] == first["weight"] }
        #expect(try scene.daemon.ask(["command": "enable", "server": "one"])["ok"] == true)
        try scene.turn { try server()?["status"]?.string == "up" }
        try scene.finish()
    }

    @Test("by hanging is killed and followed")
    func hanging() throws {
        let scene = try Scene(sessions: 4)
        let former = try scene.daemon.supervisor()
        #expect(kill(former, SIGSTOP) == 0)
        // The admin socket of one that hangs would keep the test waiting.
        try scene.turn { scene.daemon.log.contains("A supervisor has died") }
        try scene.successor(of: former)
        try scene.finish()
    }

    @Test("while it reloads is followed by one that has the children live by one configuration")
    func reloading() throws {
        let scene = try Scene(sessions: 4)
        let file = scene.daemon.file
        for round in 0..<4 {
            let former = try scene.daemon.supervisor()
            try scene.daemon.write(file.replacing("size 1000", with: "size 1000; expire \(20 + round)m"))
            let socket = try UnixSocket.connect(path: "\(scene.daemon.directory)/admin.sock")
            try UnixSocket.send(socket.number, Array("{\"command\": \"reload\"}\n".utf8))
            if round > 0 { ProcessSelf.pause(.milliseconds(Int64(round * 4))) }
            #expect(kill(former, SIGKILL) == 0)
            try scene.successor(of: former)
            try scene.turn { try scene.daemon.ask(["command": "reload"])["ok"] == true }
        }
        try scene.finish()
    }

    @Test("with its holder ends everything in order")
    func withHolder() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let log = "\(daemon.directory).log"
        let supervisor = try daemon.supervisor()
        let holder = try #require(try SuccessionTests.children(of: [Int64(supervisor)], named: "understudy-hold").first)
        // The holder first, and its replacement never.
        #expect(kill(supervisor, SIGSTOP) == 0 && kill(Int32(holder), SIGKILL) == 0 && kill(supervisor, SIGKILL) == 0)
        try daemon.turn { daemon.ending != nil }
        #expect(daemon.ending == .exited(1))
        try daemon.turn { !isWritten(log) }
        #expect(daemon.log.contains("nobody follows it"))
    }

    @Test("again and again ends everything in order")
    func crashLoop() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        var last: Int32 = 0
        try daemon.turn {
            guard daemon.ending == nil else { return true }
            if let pid = try? daemon.supervisor(), pid != last, kill(pid, SIGKILL) == 0 { last = pid }
            return false
        }
        #expect(daemon.ending == .exited(1), "\(daemon.log)")
        #expect(daemon.log.contains("supervisors die one after another"))
        try daemon.turn { !isWritten("\(daemon.directory).log") }
    }
}
