// What a supervisor that follows another goes on with: what was in force, whatever the disk, a vote or an order was about to change.

import Control
import Glibc
import Linux
import TLS
import Testing
import Wire

@testable import Supervisor

@Suite("A supervisor that follows another", .serialized)
struct SupervisorGoingOnTests {
    typealias Scene = SupervisorDeathTests.Scene

    private func kills(_ pid: Int32) -> Bool { kill(pid, SIGKILL) == 0 }

    /// Kills the supervisor, and waits for one that answers.
    private func follow(_ daemon: Daemon) throws {
        let former = try daemon.supervisor()
        #expect(kills(former))
        try daemon.turn {
            guard let status = try? daemon.ask(["command": "status"]) else { return false }
            return status["supervisor"]?["pid"]?.integer.map { $0 != Int64(former) } ?? false
        }
    }

    @Test("needs no file that the children were given: broken and missing ones end no session")
    func brokenDisk() throws {
        let made = TLSWorkshop.directory
        let daemon = try Daemon(prepare: { directory in
            try FileTree.write("\(directory)/server.pem", try File.read("\(made)/combined.pem", limit: 65_536), mode: 0o600)
            try FileTree.write("\(directory)/pair.key", PairSecret.generate().fileContents, mode: 0o600)
            try FileTree.write("\(directory)/names.key", PairSecret.generate().fileContents, mode: 0o600)
            let text = String(decoding: try File.read("\(directory)/understudy.conf", limit: 65_536), as: UTF8.self)
            let file =
                text.replacing(
                    "use brokers", with: "use brokers; tls { certificate \(directory)/server.pem }; rewrite client-id from client-id hashed \(directory)/names.key")
                + """
                node lb1 { address 127.0.0.1 }
                node lb2 { address 127.9.9.9 }
                pair { secret \(directory)/pair.key; port 17951 }
                """
            try FileTree.write("\(directory)/understudy.conf", Array(file.utf8))
        })
        try daemon.turn { daemon.isTold("READY=1") }
        let good = try File.read("\(daemon.directory)/server.pem", limit: 65_536)
        let secret = try File.read("\(daemon.directory)/pair.key", limit: 65_536)
        let key = try File.read("\(daemon.directory)/names.key", limit: 65_536)
        let balancer = try daemon.balancer()["pid"]
        let watch = CertificateWatchTests()
        for round in 0..<2 {
            // Half a certificate, then none.
            if round == 0 {
                try FileTree.write("\(daemon.directory)/server.pem", Array(good.prefix(good.count / 2)), mode: 0o600)
                try FileTree.write("\(daemon.directory)/pair.key", [1, 2, 3], mode: 0o644)
            } else {
                for name in ["server.pem", "pair.key", "names.key"] where File.stamp("\(daemon.directory)/\(name)") != nil {
                    try FileTree.remove("\(daemon.directory)/\(name)")
                }
            }
            try follow(daemon)
            #expect(try daemon.balancer()["pid"] == balancer)
            #expect(try watch.shown(daemon.port) == "broker.example.com")
            // Not hidden from anybody.
            #expect(daemon.log.contains("a start would fail"))
            try daemon.turn { try daemon.ask(["command": "status"])["certificate_problem"]?.string != nil }
            #expect(try daemon.ask(["command": "status"])["certificates"]?.array?.first?["subject"] == "CN=broker.example.com,O=Example")
            #expect(try daemon.ask(["command": "reload"])["ok"] == false)
        }
        // And it stays what the next balancer begins with.
        let former = try #require(balancer?.integer)
        #expect(kills(Int32(former)))
        try daemon.successor(of: former)
        #expect(try watch.shown(daemon.port) == "broker.example.com")
        for (name, bytes) in [("server.pem", good), ("pair.key", secret), ("names.key", key)] {
            try FileTree.write("\(daemon.directory)/\(name)", bytes, mode: 0o600)
            try File.setMode("\(daemon.directory)/\(name)", 0o600)
        }
        #expect(try daemon.ask(["command": "reload"])["ok"] == true, "\(daemon.log)")
    }

    /// A port of loopback that nobody listens on.
    private func freePort() throws -> UInt16 {
        let free = try Socket.listen(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 0), backlog: 1, reusePort: false)
        return try #require(Socket.localAddress(free.number)?.port)
    }

    @Test("forgets the sockets of a vote that was never finished: the address in force is served")
    func unfinishedVote() throws {
        let scene = try Scene(sessions: 2)
        let daemon = scene.daemon
        let file = daemon.file
        let other = try freePort()
        let former = try daemon.supervisor()
        let balancer = try Int32(#require(try daemon.balancer()["pid"]?.integer))
        let generation = try #require(try daemon.ask(["command": "status"])["generation"]?.integer)
        try daemon.write(file.replacing("bind 127.0.0.1:\(daemon.port)", with: "bind 127.0.0.1:\(other)"))
        // It hears the question when nobody waits for the answer any more.
        #expect(kill(balancer, SIGSTOP) == 0)
        let socket = try UnixSocket.connect(path: "\(daemon.directory)/admin.sock")
        try UnixSocket.send(socket.number, Array("{\"command\": \"reload\"}\n".utf8))
        try daemon.turn { try FileTree.sockets(of: former).contains(other) }
        ProcessSelf.pause(.milliseconds(50))
        #expect(kills(former))
        #expect(kill(balancer, SIGCONT) == 0)
        try daemon.write(file)
        try scene.successor(of: former)
        // It has them vote on what is in force.
        try scene.turn { try daemon.ask(["command": "status"])["generation"]?.integer ?? 0 > generation + 1 }
        try scene.traffic.begin(isSmall: false)
        try scene.turn { scene.traffic.moved > 200_000 }
        try scene.finish()
    }

    @Test("in the middle of reloads that move a listener serves the address in force, and the next reload moves it")
    func movingListener() throws {
        let scene = try Scene(sessions: 2)
        let daemon = scene.daemon
        let file = daemon.file
        let ports = [daemon.port, try freePort()]
        for round in 0..<6 {
            let former = try daemon.supervisor()
            let generation = try #require(try daemon.ask(["command": "status"])["generation"]?.integer)
            let port = ports[(round + 1) % 2]
            try daemon.write(file.replacing("bind 127.0.0.1:\(daemon.port)", with: "bind 127.0.0.1:\(port)"))
            let socket = try UnixSocket.connect(path: "\(daemon.directory)/admin.sock")
            try UnixSocket.send(socket.number, Array("{\"command\": \"reload\"}\n".utf8))
            ProcessSelf.pause(.milliseconds(Int64(round * 5)))
            #expect(kills(former))
            try scene.successor(of: former)
            // The reload, committed or not, and behind it the vote of the one that follows.
            try scene.turn { try daemon.ask(["command": "status"])["generation"]?.integer ?? 0 > generation + 1 }
            // Whichever it is, somebody is there.
            var served: UInt16?
            try scene.turn {
                let isThere = try FileTree.sockets(of: daemon.supervisor())
                served = ports.first { isThere.contains($0) }
                return served != nil
            }
            scene.traffic.target = try #require(served)
            try scene.traffic.begin(isSmall: false)
            try scene.turn { try daemon.ask(["command": "reload"])["ok"] == true }
            scene.traffic.target = port
            try scene.traffic.begin(isSmall: true)
        }
        try scene.finish()
    }

    @Test("goes on with the end that was ordered: a host that refuses everybody does not stay")
    func stopOrdered() throws {
        let scene = try Scene(sessions: 16, lines: "drain { rate 1/s; deadline 12s }\n")
        let daemon = scene.daemon
        let socket = try UnixSocket.connect(path: "\(daemon.directory)/admin.sock")
        try UnixSocket.send(socket.number, Array("{\"command\": \"stop\"}\n".utf8))
        try daemon.turn { try daemon.ask(["command": "status"])["stopping"] == true }
        #expect(try daemon.ask(["command": "status"])["stop_within_ms"]?.integer ?? 0 >= 12_000)
        for _ in 0..<2 {
            try follow(daemon)
            try daemon.turn { try daemon.ask(["command": "status"])["stopping"] == true }
        }
        // Still the first order: it drains on, and ends by itself.
        #expect(daemon.ending == nil)
        try scene.turn { daemon.ending != nil }
        #expect(daemon.ending == .exited(0), "\(daemon.log)")
    }

    @Test("goes on with a drain that another program was to follow, and that program follows")
    func drainOrdered() throws {
        let workshop = try UpgradingTests.Workshop()
        let scene = try UpgradingTests.Scene(sessions: 6, lines: "drain { rate 1/s; deadline 8s }\n")
        let daemon = scene.daemon
        let pid = try daemon.processes()[0]
        let answer = try scene.upgrade(try UpgradingDrainTests.program(workshop), drain: true)
        #expect(answer["draining"] == true, "\(answer.text)")
        try follow(daemon)
        try daemon.turn { try daemon.ask(["command": "status"])["upgrading"] == "draining" }
        try daemon.turn {
            for _ in 0..<5 { try scene.broker.turn(limit: .milliseconds(2)) }
            return FileTree.target("/proc/\(pid)/exe") == "\(workshop.directory)/other"
        }
        try daemon.turn { (try? daemon.balancer()["phase"]) == "serving" }
        #expect(daemon.ending == nil)
    }

    @Test("listens for operators anew when nobody finds its socket any more")
    func lostSocket() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let former = try daemon.supervisor()
        File.remove("\(daemon.directory)/admin.sock")
        #expect(kills(former))
        try daemon.turn { (try? daemon.supervisor()).map { $0 != former } ?? false }
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
    }

    @Test("a reload is answered at once where no child can vote")
    func noVoter() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        // It dies until its restart waits for a second at least.
        try daemon.turn {
            let balancer = try daemon.balancer()
            guard balancer["phase"] != "waiting" else { return daemon.log.contains("after=1s") }
            guard let pid = balancer["pid"]?.integer else { return false }
            let holders = try SuccessionTests.children(of: [pid], named: "understudy-hold")
            for pid in holders + [pid] { kill(Int32(pid), SIGKILL) }
            return false
        }
        let begun = Clock.now
        let answer = try daemon.ask(["command": "reload"])
        #expect(answer["ok"] == true && Clock.now - begun < .seconds(10), "\(answer.text)")
        try daemon.successor()
    }
}

extension FileTree {
    /// The ports of IPv4 sockets that a process listens on.
    fileprivate static func sockets(of pid: Int32) throws -> Set<UInt16> {
        let targets = try list("/proc/\(pid)/fd").compactMap { target("/proc/\(pid)/fd/\($0)") }
        let inodes = Set(targets.filter { $0.hasPrefix("socket:[") }.map { $0.dropFirst(8).dropLast() })
        let lines = String(decoding: try File.read("/proc/\(pid)/net/tcp", limit: 1 << 22), as: UTF8.self).split(separator: "\n")
        var ports: Set<UInt16> = []
        for line in lines.dropFirst() {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 9, fields[3] == "0A", inodes.contains(fields[9]),
                let port = fields[1].split(separator: ":").last.flatMap({ UInt16($0, radix: 16) })
            else { continue }
            ports.insert(port)
        }
        return ports
    }
}
