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

    /// Deaths of the short run; `UNDERSTUDY_DEATHS` for a long one.
    static let deaths = ProcessSelf.environment("UNDERSTUDY_DEATHS").flatMap { Int($0) } ?? 12

    @Test("a killed balancer loses no byte and no session")
    func kills() throws {
        let broker = try EventLoop()
        let traffic = try SuccessionTraffic(on: broker, seed: 5)
        let daemon = try Self.daemon(traffic.port)
        traffic.target = daemon.port
        for number in 0..<40 { try traffic.begin(isSmall: number % 4 == 0) }
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
        let status = try daemon.ask(["command": "status"])
        let counters = status["balancer"]?["counters"]
        #expect(counters?["inherited"]?.integer ?? 0 >= 40, "\(status.text)")
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
}
