// What a reload changes and what it must not, and what a daemon holds after many of them.

import Glibc
import Linux
import TLS
import Testing
import Wire

@testable import Supervisor

@Suite("A reload", .serialized)
struct SupervisorReloadTests {
    @Test("takes the log's level into every process")
    func logLevel() throws {
        let daemon = try Daemon { $0 + "log { level error }\n" }
        try daemon.turn { daemon.isTold("READY=1") }
        #expect(!daemon.log.contains("notice"))
        try daemon.write(daemon.file.replacing("level error", with: "level debug"))
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        _ = try daemon.ask(["command": "drain", "server": "one"])
        try daemon.turn { daemon.log.contains("notice balancer: server brokers/one is") }
        try daemon.write(daemon.file.replacing("level debug", with: "level error"))
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        let before = daemon.log.components("notice balancer").count
        _ = try daemon.ask(["command": "enable", "server": "one"])
        _ = try daemon.ask(["command": "stop"])
        try daemon.turn { daemon.ending != nil }
        #expect(daemon.log.components("notice balancer").count == before)
    }

    @Test("refuses another pair secret, which half of the daemon would go on without")
    func secret() throws {
        let daemon = try Daemon.ofPair(port: 17946)
        try daemon.turn { daemon.isTold("READY=1") }
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        let secret = try File.read("\(daemon.directory)/pair.key", limit: 4096)
        try FileTree.write("\(daemon.directory)/pair.key", PairSecret.generate().fileContents, mode: 0o600)
        let refusal = try daemon.ask(["command": "reload"])
        #expect(refusal["ok"] == false)
        #expect(refusal["error"]?.string?.contains("only a restart can do this:\npair: the contents") == true)
        try FileTree.remove("\(daemon.directory)/pair.key")
        #expect(try daemon.ask(["command": "reload"])["error"]?.string?.contains("pair.key") == true)
        // A crash meanwhile does not need the file.
        let former = try #require(try daemon.balancer()["pid"]?.integer)
        #expect(kill(Int32(former), SIGKILL) == 0)
        try daemon.successor(of: former)
        try FileTree.write("\(daemon.directory)/pair.key", secret, mode: 0o600)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
    }

    @Test("refuses what only a restart can do, and a file whose include is gone")
    func refusals() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let good = daemon.file
        for (change, word) in [
            (good.replacing("admin.sock", with: "other.sock"), "admin"),
            (good + "user nobody\n", "user"), (good + "include gone.conf\n", "gone.conf"),
        ] {
            try daemon.write(change)
            let refusal = try daemon.ask(["command": "reload"])
            #expect(refusal["ok"] == false && refusal["error"]?.string?.contains(word) == true, "\(refusal)")
        }
        try FileTree.remove("\(daemon.directory)/understudy.conf")
        #expect(try daemon.ask(["command": "reload"])["ok"] == false)
        try daemon.write(good)
        let answer = try daemon.ask(["command": "reload"])
        #expect(answer["ok"] == true && answer["changes"] == .array([]))
        #expect(try daemon.accepts())
    }

    @Test("that fails because the balancer died meanwhile is answered, and the next one works")
    func deathMeanwhile() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let former = try #require(try daemon.balancer()["pid"]?.integer)
        // It cannot vote while it is stopped, and dies before it can.
        #expect(kill(Int32(former), SIGSTOP) == 0)
        let answer = try daemon.ask(["command": "reload"])
        #expect(answer["ok"] == false)
        #expect(answer["error"]?.string?.contains("balancer ended while it prepared") == true)
        try daemon.successor(of: former)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
    }

    // MARK: What is held

    private static func descriptors(_ pid: Int64) throws -> Int { try FileTree.list("/proc/\(pid)/fd").count }

    /// Resident memory in KiB.
    private static func memory(_ pid: Int64) throws -> Int {
        let status = String(decoding: try File.read("/proc/\(pid)/status", limit: 65_536), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.filter(\.isNumber)))
    }

    @Test("a hundred times, and three dead balancers, leave no descriptor and no memory behind")
    func leaks() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let good = daemon.file
        func cycle(_ number: Int) throws {
            var file = good.replacing("server one 127.0.0.1:9", with: "server one 127.0.0.1:9 weight \(1 + number % 9)")
            file.replace("size 1000", with: "size 1000; expire \(10 + number % 5)m")
            switch number % 4 {
            case 0: file += "listen second { bind 127.0.0.2:\(daemon.port); use brokers }\n"
            case 1: file.replace("check none", with: "server two 127.0.0.1:10; check none")
            case 2: file += "rubbish\n"
            default: break
            }
            try daemon.write(file)
            #expect(try daemon.ask(["command": "reload"])["ok"]?.bool == (number % 4 != 2))
        }
        // The first rounds fill what is kept for later: pools, and names once seen.
        for number in 0..<20 { try cycle(number) }
        try daemon.write(good)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        let pids = try daemon.processes()
        let descriptors = try pids.map(Self.descriptors)
        let memory = try pids.map(Self.memory)
        for number in 0..<100 { try cycle(number) }
        try daemon.write(good)
        #expect(try daemon.ask(["command": "reload"])["ok"] == true)
        try daemon.turn { try pids.map(Self.descriptors) == descriptors }
        for (now, before) in zip(try pids.map(Self.memory), memory) { #expect(now < before + 2048, "KiB") }

        for _ in 0..<3 {
            let former = try #require(try daemon.balancer()["pid"]?.integer)
            #expect(kill(Int32(former), SIGKILL) == 0)
            try daemon.successor(of: former)
            // Reaped, though not before its successor serves: nothing of it is left.
            try daemon.turn { kill(Int32(former), 0) != 0 }
        }
        let after = try daemon.processes()
        try daemon.turn { try after.map(Self.descriptors) == descriptors }
    }
}

extension String {
    /// What stands between the occurrences of a word.
    fileprivate func components(_ word: String) -> [Substring] {
        split(separator: word, omittingEmptySubsequences: false)
    }
}
