// Starts and ends of the daemon under difficulties, and what the kernel says of its processes.

import Glibc
import Linux
import Testing
import Wire

@testable import Supervisor

@Suite("The daemon's life", .serialized)
struct SupervisorLifeTests {
    @Test("the second daemon of a host ends before it opens anything")
    func second() throws {
        let first = try Daemon()
        try first.turn { first.isTold("READY=1") }
        // Its listener cannot be had: a daemon that opened it first would complain of that.
        let port = first.port &+ 1
        let taken = try? Socket.listen(
            SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: port), backlog: 1, reusePort: false)
        let second = try Daemon {
            $0.split(separator: "\n").map { line in
                line.hasPrefix("admin")
                    ? "admin { socket \(first.directory)/admin.sock }"
                    : line.hasPrefix("listen") ? "listen mqtt { bind 127.0.0.1:\(port); use brokers }" : String(line)
            }.joined(separator: "\n") + "\n"
        }
        try second.turn { second.ending != nil }
        _ = consume taken
        #expect(second.ending == .exited(1))
        #expect(second.log.contains("another daemon answers at \(first.directory)/admin.sock"), "\(second.log)")
        #expect(try first.ask(["command": "status"])["ok"] == true)
        #expect(try first.balancer()["restarts"] == 0)
    }

    @Test("a socket that a dead daemon left behind is replaced, a directory that is missing is made")
    func leftovers() throws {
        let stale = try Daemon(prepare: { directory in
            let dead = try UnixSocket.listen(path: "\(directory)/admin.sock", mode: 0o600)
            _ = consume dead
        })
        try stale.turn { stale.isTold("READY=1") }
        #expect(try stale.ask(["command": "status"])["ok"] == true)

        let missing = try Daemon { $0.replacing("/admin.sock", with: "/run/admin.sock") }
        try missing.turn { missing.isTold("READY=1") }
        let answer = try AdminClient.ask(
            "\(missing.directory)/run/admin.sock", ["command": "status"], patience: .seconds(10))
        #expect(answer["ok"] == true)
    }

    @Test("a stop at any moment of the start ends it, and leaves nothing behind", arguments: [0, 2, 5, 10, 20, 40, 80])
    func stopWhileStarting(turns: Int) throws {
        let daemon = try Daemon()
        // How far it has come by then is the machine's business: every moment must do.
        for _ in 0..<turns { try daemon.loop.turn(limit: .milliseconds(1)) }
        try daemon.send(Signals.terminate)
        try daemon.turn { daemon.ending != nil }
        // Before it listens to signals the kernel ends it.
        #expect(daemon.ending == .exited(0) || daemon.ending == .signaled(Signals.terminate))
        #expect(try FileTree.list(daemon.directory) == ["understudy.conf"])
    }

    @Test("a stop while clients connect ends it in time")
    func stopUnderLoad() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        var clients: [Int32] = []
        defer { clients.forEach(Descriptor.close) }
        func connect() throws {
            let address = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port)
            clients.append(try Socket.connect(address).release())
        }
        for _ in 0..<200 { try connect() }
        try daemon.send(Signals.terminate)
        try daemon.turn {
            if clients.count < 2000 { try connect() }
            return daemon.ending != nil
        }
        #expect(daemon.ending == .exited(0))
        #expect(!daemon.log.contains("Z error "), "\(daemon.log)")
    }

    // MARK: Rights

    private static func status(_ pid: Int64) throws -> [Substring: [Substring]] {
        let text = String(decoding: try File.read("/proc/\(pid)/status", limit: 65_536), as: UTF8.self)
        var fields: [Substring: [Substring]] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == "\t" || $0 == " " }
            fields[words[0].dropLast()] = Array(words.dropFirst())
        }
        return fields
    }

    @Test("the balancer is nobody in particular, may nothing, and cannot get it back", .enabled(if: geteuid() == 0))
    func balancerRights() throws {
        let daemon = try Daemon { $0 + "user nobody\n" }
        try daemon.turn { daemon.isTold("READY=1") }
        let pid = try #require(try daemon.balancer()["pid"]?.integer)
        let nobody = try #require(try User.named("nobody"))
        let status = try Self.status(pid)
        #expect(status["Uid"] == Array(repeating: "\(nobody.identifier)", count: 4))
        #expect(status["Gid"] == Array(repeating: "\(nobody.group)", count: 4))
        #expect(status["Groups"] == [])
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] as [Substring] {
            #expect(status[set] == ["0000000000000000"], "\(set)")
        }
        #expect(status["NoNewPrivs"] == ["1"])
        let limits = String(decoding: try File.read("/proc/\(pid)/limits", limit: 65_536), as: UTF8.self)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
        // A file of root's that others may not read is none of its: it has no right to pass over that.
        let environment = try File.read("/proc/\(pid)/environ", limit: 65_536)
        let names = environment.split(separator: 0).map { String(decoding: $0.prefix { $0 != 0x3D }, as: UTF8.self) }
        #expect(Set(names).isSubset(of: ["SWIFT_BACKTRACE", "PATH", "UNDERSTUDY_USER", "JOURNAL_STREAM"]), "\(names)")
        #expect(!names.contains("NOTIFY_SOCKET"))
    }
}
