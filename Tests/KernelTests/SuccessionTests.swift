// The balancer dies, and its sessions do not (docs/survival.md).

import Glibc
import Linux
import Testing
import Wire

@Suite("Succession", .serialized)
struct SuccessionTests {
    /// A daemon in front of a broker of the test's own.
    static func daemon(_ broker: UInt16) throws -> Daemon {
        let daemon = try Daemon { $0.replacing("127.0.0.1:9;", with: "127.0.0.1:\(broker);") }
        try daemon.turn { daemon.isTold("READY=1") }
        return daemon
    }

    /// A daemon with that many sessions through it, every fourth one small, and the loop that turns their traffic.
    static func underTraffic(
        seed: UInt64, sessions: Int
    ) throws -> (broker: EventLoop, traffic: SuccessionTraffic, daemon: Daemon) {
        let broker = try EventLoop()
        let traffic = try SuccessionTraffic(on: broker, seed: seed)
        let daemon = try daemon(traffic.port)
        traffic.target = daemon.port
        for number in 0..<sessions { try traffic.begin(isSmall: number % 4 == 0) }
        return (broker, traffic, daemon)
    }

    /// Deaths of the short run; `UNDERSTUDY_DEATHS` for a long one.
    static let deaths = ProcessSelf.environment("UNDERSTUDY_DEATHS").flatMap { Int($0) } ?? 12

    @Test("a killed balancer loses no byte and no session")
    func kills() throws {
        let (broker, traffic, daemon) = try Self.underTraffic(seed: 5, sessions: 40)
        var pid = try #require(try daemon.balancer()["pid"]?.integer)
        for death in 0..<Self.deaths {
            let until = Clock.now + .milliseconds(250 + Int64(death * 37 % 100))
            while Clock.now < until {
                if death % 2 == 0 { try traffic.visit() }
                try broker.turn(limit: .milliseconds(3))
            }
            #expect(Glibc.kill(Int32(pid), SIGKILL) == 0)
            let limit = Clock.now + .seconds(30)
            while true {
                try #require(Clock.now < limit, "no successor of \(pid): \(daemon.log)")
                for _ in 0..<20 { try broker.turn(limit: .milliseconds(1)) }
                let balancer = try daemon.balancer()
                if let now = balancer["pid"]?.integer, now != pid, balancer["phase"] == "serving" {
                    pid = now
                    break
                }
            }
        }
        // It serves while its loops take in what they find.
        var status = JSON.null
        try daemon.turn {
            status = try daemon.ask(["command": "status"])
            return status["balancer"]?["counters"]?["inherited"]?.integer ?? 0 >= 40
        }
        let counters = status["balancer"]?["counters"]
        #expect(counters?["inherited-broken"] == 0 && counters?["inherited-homeless"] == 0, "\(status.text)")
        #expect(counters?["inherited-poison"] == 0)
        #expect(try daemon.balancer()["restarts"]?.integer == Int64(Self.deaths))
        try traffic.finish()
        #expect(traffic.failures.isEmpty, "\(traffic.failures.prefix(10)) of \(traffic.failures.count)")
        #expect(traffic.moved > 1 << 20)
        #expect(traffic.short.lost == 0, "\(traffic.short)")
        #expect(traffic.short.whole > 0)
        // Every count has come back to where it was: nothing is held for sessions that are over.
        try daemon.turn {
            let balancer = try daemon.ask(["command": "status"])["balancer"]
            return balancer?["sessions"] == 0 && balancer?["tables"]?.array?.first?["connected"] == 0
        }
        let log = daemon.log
        #expect(log.contains("A successor has come."))
    }

    /// Processes with this name in their `stat` whose parent is one of `parents`.
    static func children(of parents: Set<Int64>, named name: String) throws -> [Int64] {
        try FileTree.list("/proc").compactMap { entry -> Int64? in
            guard let pid = Int64(entry), let stat = try? File.read("/proc/\(pid)/stat", limit: 4096) else { return nil }
            let text = String(decoding: stat, as: UTF8.self)
            guard text.contains("(\(name))"), let after = text.split(separator: ")").last?.split(separator: " "),
                after.count > 1, after[0] != "Z", let parent = Int64(after[1]), parents.contains(parent)
            else { return nil }
            return pid
        }
    }

    @Test("balancers that die one after another give their sessions up, and the status says so")
    func row() throws {
        let daemon = try Self.daemon(9)
        var last: Int64 = 0
        try daemon.turn {
            let balancer = try daemon.balancer()
            if let pid = balancer["pid"]?.integer, pid != last, Glibc.kill(Int32(pid), SIGKILL) == 0 { last = pid }
            return balancer["last_ending"]?.string?.contains("died one after another") == true
        }
        #expect(try daemon.balancer()["restarts"]?.integer ?? 0 >= 8)
        try daemon.successor(of: last)
        #expect(try daemon.accepts())
    }

    @Test("a holder that dies is replaced, and the balancer's death still loses nothing")
    func holder() throws {
        let (broker, traffic, daemon) = try Self.underTraffic(seed: 6, sessions: 4)
        let pid = try #require(try daemon.balancer()["pid"]?.integer)
        let first = try #require(try Self.children(of: [pid], named: "understudy-hold").first)
        #expect(Glibc.kill(Int32(first), SIGKILL) == 0)
        var second: Int64?
        try daemon.turn {
            try broker.turn(limit: .milliseconds(2))
            second = try Self.children(of: [pid], named: "understudy-hold").first { $0 != first }
            return second != nil
        }
        #expect(Glibc.kill(Int32(pid), SIGKILL) == 0)
        try daemon.turn {
            try broker.turn(limit: .milliseconds(2))
            let balancer = try daemon.balancer()
            return balancer["pid"]?.integer != pid && balancer["phase"] == "serving"
        }
        try traffic.finish()
        #expect(traffic.failures.isEmpty, "\(traffic.failures)")
    }

    @Test("the death of the supervisor ends the balancer and its holder")
    func supervisor() throws {
        let daemon = try Self.daemon(9)
        let pids = try daemon.processes()
        let holder = try #require(try Self.children(of: [pids[1]], named: "understudy-hold").first)
        try daemon.send(Signals.kill)
        try daemon.turn {
            daemon.ending != nil
                && [pids[1], holder].allSatisfy { pid in
                    let stat = (try? File.read("/proc/\(pid)/stat", limit: 4096)) ?? []
                    return stat.isEmpty || String(decoding: stat, as: UTF8.self).contains(") Z ")
                }
        }
    }

    @Test("a connection without CONNACK is closed with the balancer, and the next one is served")
    func beginning() throws {
        let daemon = try Self.daemon(9)
        let pid = try #require(try daemon.balancer()["pid"]?.integer)
        let mute = try Socket.connect(SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: daemon.port))
        try daemon.turn { try daemon.ask(["command": "status"])["balancer"]?["sessions"] == 1 }
        #expect(Glibc.kill(Int32(pid), SIGSEGV) == 0)
        try daemon.successor(of: pid)
        var isEnded = false
        try daemon.turn {
            do {
                isEnded = try Descriptor.read(mute.number, limit: 1).isEmpty
            } catch let error as Errno {
                isEnded = !error.isWouldBlock
            }
            return isEnded
        }
        // Its socket closed before a loop looked at what it left.
        try daemon.turn {
            try daemon.ask(["command": "status"])["balancer"]?["counters"]?["inherited-beginning"] == 1
        }
        #expect(try daemon.accepts())
    }
}
