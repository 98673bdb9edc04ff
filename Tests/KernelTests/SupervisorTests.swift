// The daemon as a whole, started as a service manager starts it, on one host without an address.

import Glibc
import Linux
import Supervisor
import Testing
import Wire

@Suite("The daemon", .serialized)
struct SupervisorTests {
    @Test("says when it is ready, feeds the watchdog, answers, and leaves nothing behind when it is stopped")
    func life() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1\nSTATUS=balancer: ") && daemon.isTold("WATCHDOG=1") }
        let status = try daemon.ask(["command": "status"])
        #expect(status["ok"] == true)
        #expect(status["generation"] == 1)
        #expect(status["balancer"]?["serving"] == true)
        #expect(status["vip"] == .null)
        // Two children with two seconds each, and those that would have to be killed.
        #expect(status["stop_within_ms"] == 12_000)
        #expect(try daemon.accepts())
        #expect(try daemon.ask(["command": "step-down"])["ok"] == false)
        #expect(try daemon.ask(["command": "dance"])["ok"] == false)
        let answer = try daemon.ask(["command": "stop"])
        #expect(answer == ["ok": true])
        try daemon.turn { daemon.ending != nil }
        #expect(daemon.ending == .exited(0))
        #expect(daemon.isTold("STOPPING=1"))
        #expect(throws: AdminClient.Failure.self) { try daemon.ask(["command": "status"]) }
        #expect(try FileTree.list(daemon.directory) == ["understudy.conf"])
    }

    @Test("replaces a balancer that was killed or is frozen, which keeps its listeners and tables", arguments: [9, 19])
    func replaced(signal: Int32) throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let former = try #require(try daemon.balancer()["pid"]?.integer)
        #expect(kill(Int32(former), signal) == 0)
        try daemon.turn {
            // Connections are taken all the time: the listeners outlive the process.
            #expect(try daemon.accepts())
            let balancer = try daemon.balancer()
            return balancer["pid"]?.integer != former && balancer["phase"] == "serving"
        }
        #expect(try daemon.balancer()["restarts"] == 1)
        // Tables are read back when everybody is served.
        try daemon.turn {
            let table = try daemon.ask(["command": "status"])["balancer"]?["tables"]?.array?.first
            return table?["opening"] == false && table?["adopted"] == true
        }
    }

    @Test("reloads a good file, and keeps to the old one when the new one is bad")
    func reload() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let good = daemon.file
        try daemon.write(good.replacing("server one 127.0.0.1:9", with: "server one 127.0.0.1:9 weight 7"))
        let answer = try daemon.ask(["command": "reload"])
        #expect(answer["ok"] == true)
        #expect(answer["changes"]?.array?.first?.string?.contains("weight 7") == true)
        #expect(answer["generation"] == 2)

        try daemon.write(good + "listn x { }\n")
        let refusal = try daemon.ask(["command": "reload"])
        #expect(refusal["ok"] == false)
        #expect(refusal["error"]?.string?.contains("unknown directive \"listn\"") == true)

        // What a reload cannot do is said, and not half done.
        try daemon.write(good + "user nobody\n")
        #expect(try daemon.ask(["command": "reload"])["error"]?.string?.contains("restart") == true)
        #expect(try daemon.ask(["command": "status"])["generation"] == 2)

        // By a signal it is told to the service manager.
        try daemon.write(good)
        try daemon.send(Signals.hangUp)
        try daemon.turn { try daemon.ask(["command": "status"])["generation"]?.integer ?? 0 > 2 }
        try daemon.turn { daemon.told.filter { $0.hasPrefix("READY=1") }.count >= 3 }
        #expect(daemon.isTold("RELOADING=1\nMONOTONIC_USEC="))
        #expect(try daemon.balancer()["restarts"] == 0)
    }

    @Test("does not start with a file that is wrong, and changes nothing")
    func badFile() throws {
        let daemon = try Daemon { $0 + "listn x { }\n" }
        try daemon.turn { daemon.ending != nil }
        #expect(daemon.ending == .exited(1))
        // A beginning that takes its time is no hang; nothing else is said.
        #expect(daemon.told.allSatisfy { $0 == "WATCHDOG=1" }, "\(daemon.told)")
        #expect(try FileTree.list(daemon.directory) == ["understudy.conf"])
    }

    /// Dead, and not reaped by whoever inherited it.
    private static func isZombie(_ pid: Int64) -> Bool {
        guard let bytes = try? File.read("/proc/\(pid)/stat", limit: 4096) else { return true }
        return String(decoding: bytes, as: UTF8.self).contains(") Z ")
    }

    @Test("takes its balancer with it when it is killed")
    func killed() throws {
        let daemon = try Daemon()
        try daemon.turn { daemon.isTold("READY=1") }
        let pid = try #require(try daemon.balancer()["pid"]?.integer)
        try daemon.send(Signals.kill)
        try daemon.turn { daemon.ending != nil }
        try daemon.turn { kill(Int32(pid), 0) != 0 || Self.isZombie(pid) }
        #expect(throws: AdminClient.Failure.self) { try daemon.ask(["command": "status"]) }
    }
}
