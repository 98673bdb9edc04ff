// What an agent's line says, and what it does to its server.

import Testing
import Wire

@testable import Balancing

@Suite("The agent")
struct AgentTests {
    @Test func words() throws {
        let report = try AgentReport(id("up, 75%\tready # all well\u{1B}"))
        #expect(report.operation == .up)
        #expect(report.wish == .ready)
        #expect(report.weightPercent == 75)
        #expect(report.remark == "all well?")
        let down = try AgentReport(id("DOWN#disk full\r"))
        #expect(down.operation == .down)
        #expect(down.remark == "disk full?")
        #expect(throws: AgentReport.Malformed()) { try AgentReport(id("")) }
        #expect(throws: AgentReport.Malformed()) { try AgentReport(id("hello maxconn:30 % 12345%")) }
        let long = try AgentReport(id("failed #" + String(repeating: "x", count: 500)))
        #expect(long.remark?.utf8.count == 64)
    }

    private func report(_ line: String, to backend: inout Backend, at seconds: Int64) throws -> HealthState.Transition? {
        let now = Instant.zero + .seconds(seconds)
        let due = backend.begunChecks(at: now)
        try #require(due == [0])
        return backend.handle(try AgentReport(id(line)), server: 0, at: now)
    }

    @Test("drain holds until ready, a weight until another, down counts like a failed check")
    func effects() throws {
        let check = CheckSettings(interval: .seconds(2), rise: 1, fall: 1)
        var backend = try Backend(
            Backend.Settings(
                algorithm: .roundRobin, check: check,
                servers: [Server.Settings(name: "a", host: "10.0.0.1", port: 1883, weight: 10)]),
            seed: 1, at: .zero)
        #expect(try report("up", to: &backend, at: 1)?.to == .up)
        #expect(try report("drain", to: &backend, at: 10)?.to == .busy)
        #expect(try report("up 50%", to: &backend, at: 20) == nil)
        #expect(!backend.servers[0].acceptsNew)
        #expect(backend.servers[0].weight == 5)
        #expect(try report("ready", to: &backend, at: 30)?.to == .up)
        #expect(backend.servers[0].acceptsNew)
        #expect(backend.servers[0].weight == 5)
        #expect(try report("100%", to: &backend, at: 40) == nil)
        #expect(backend.servers[0].weight == 10)
        let down = try report("stopped # upgrade", to: &backend, at: 50)
        #expect(down?.to == .down)
        #expect(down.map { "\($0.cause)" } == "check failed: the agent says stopped, upgrade")
        #expect(backend.servers[0].lastCheck.map { "\($0.result)" } == "check failed: the agent says stopped, upgrade")
    }

    @Test("a check that could not be made tells nothing, and is made again soon")
    func skipped() throws {
        var backend = try checked(.roundRobin, [emqx(1)])
        let later = Instant.zero + .seconds(10)
        for round in 0..<5 {
            let now = later + .seconds(Int64(round) * 5)
            let due = backend.begunChecks(at: now)
            #expect(due == [0])
            let transition = backend.handle(.checkSkipped, server: 0, at: now)
            #expect(transition == nil)
            #expect(backend.servers[0].health.status == .up)
            #expect(try #require(backend.nextDeadline) <= now + .milliseconds(500))
        }
    }

    @Test("checks that are due at one instant begin in bounded numbers")
    func bounded() throws {
        let servers = (0..<100).map { Server.Settings(name: "s\($0)", host: "10.0.0.1", port: UInt16($0 + 1)) }
        var backend = try Backend(
            Backend.Settings(algorithm: .roundRobin, check: CheckSettings(), servers: servers), seed: 1, at: .zero)
        let now = Instant.zero + .seconds(1)
        var begun: Set<Int> = []
        for _ in 0..<4 {
            let due = backend.begunChecks(at: now, most: 32)
            #expect(due.count <= 32)
            begun.formUnion(due)
        }
        #expect(begun.count == 100)
    }

    @Test("servers that are down do not keep the others waiting, and who waited longest comes first")
    func places() throws {
        let servers = (0..<300).map { Server.Settings(name: "s\($0)", host: "10.0.0.1", port: UInt16($0 + 1)) }
        var backend = try checked(.roundRobin, servers)
        for server in 0..<200 { backend.takeDown(server, at: .zero + .seconds(2)) }
        let now = Instant.zero + .seconds(60)
        let begun = backend.startDueChecks(at: now, most: 256, mostDown: 128)
        #expect(begun.count == 228 && begun.filter(\.isOfDownServer).count == 128)
        #expect(Set(begun.filter { !$0.isOfDownServer }.map(\.server)) == Set(200..<300))
        #expect(backend.nextDeadline(besidesDown: true) == nil)
        #expect(try #require(backend.nextDeadline) < now)
        // Those that end are due again before the others were looked at; they wait behind them.
        for check in begun where check.isOfDownServer { _ = backend.handle(.checkFailed(.connectTimeout), server: check.server, at: now) }
        let later = now + .seconds(2)
        let next = backend.startDueChecks(at: later, most: 72, mostDown: 128).map(\.server)
        #expect(Set(next) == Set(0..<200).subtracting(begun.map(\.server)))
    }

    @Test("a host that cannot check is settled all the same, and counts no server that it never saw")
    func blind() throws {
        var backend = try Backend(
            Backend.Settings(algorithm: .roundRobin, check: CheckSettings(), servers: [emqx(1), emqx(2)]), seed: 1,
            at: .zero)
        for round in 1...3 {
            #expect(!backend.isSettled && backend.servers.allSatisfy(\.isReachable))
            for server in backend.begunChecks(at: .zero + .seconds(Int64(round))) {
                #expect(backend.handle(.checkSkipped, server: server, at: .zero + .seconds(Int64(round))) == nil)
            }
        }
        #expect(backend.isSettled)
        #expect(backend.servers.allSatisfy { $0.acceptsNew && !$0.isReachable && $0.checksSkipped == 3 })
    }

    @Test("with another kind of check the agent's words are forgotten, the operator's are not")
    func forgotten() throws {
        func settings(hasAgent: Bool) -> Backend.Settings {
            var settings = Backend.Settings(
                algorithm: .roundRobin, check: CheckSettings(), servers: [emqx(1, weight: 100), emqx(2, weight: 100)])
            settings.hasAgent = hasAgent
            return settings
        }
        var backend = try Backend(settings(hasAgent: true), seed: 1, at: .zero)
        let now = Instant.zero + .seconds(1)
        for (server, line) in zip(backend.begunChecks(at: now), ["drain 5%", "up 5%"]) {
            _ = backend.handle(try AgentReport(id(line)), server: server, at: now)
        }
        backend.setWeight(7, server: 1)
        #expect(backend.servers.map(\.weight) == [5, 7])
        #expect(backend.servers.map(\.weightOrigin) == [.agent, .operator])
        try backend.apply(settings(hasAgent: true), seed: 1, at: now)
        #expect(backend.servers.map(\.weight) == [5, 7])
        try backend.apply(settings(hasAgent: false), seed: 1, at: now)
        #expect(backend.servers.map(\.weight) == [100, 7])
        #expect(backend.servers.map(\.weightOrigin) == [.file, .operator])
        // Nor is it drained by what nobody would take back.
        let later = now + .seconds(5)
        for server in backend.begunChecks(at: later) { _ = backend.handle(.checkPassed, server: server, at: later) }
        #expect(backend.servers.map(\.acceptsNew) == [true, true])
    }

    @Test("a weight that changes before every session keeps the turns")
    func turns() throws {
        var backend = try checked(.roundRobin, (1...4).map { emqx($0, weight: 100) })
        var turns: [Int: Int] = [:]
        for number in 0..<400 {
            backend.setWeight(90 + number % 7, server: number % 4)
            turns[try backend.started("c\(number)").server, default: 0] += 1
        }
        #expect(turns.values.allSatisfy { (85...115).contains($0) }, "\(turns)")
        // What one was ahead of the others by, is bounded by the weights there are now.
        for server in 0..<4 { backend.setWeight(1, server: server) }
        let after = try (0..<40).map { try backend.started("d\($0)").server }
        #expect((0..<4).allSatisfy { server in (5...15).contains(after.count { $0 == server }) }, "\(after)")
    }

    @Test("rings follow an agent's weight when they were built beside the backend")
    func rings() throws {
        let plain = try checked(.hash(), [emqx(1, weight: 10), emqx(2, weight: 10)])
        var (deferred, direct) = (plain, plain)
        direct.setWeight(1, server: 0)
        deferred.setWeight(1, server: 0, defersRings: true)
        let keys = (0..<200).map { "device-\($0)" }
        func places(_ backend: Backend) throws -> [Int] {
            var backend = backend
            return try keys.map { try backend.chosen($0).server }
        }
        #expect(try places(deferred) == places(plain))
        let plan = try #require(deferred.ringPlan)
        // Something else happens meanwhile: the built rings are in force, and stale.
        deferred.setWeight(2, server: 0, defersRings: true)
        _ = deferred.adopt(plan.build())
        #expect(try places(deferred) == places(direct))
        let second = try #require(deferred.ringPlan)
        // A reload builds them at once; what was begun before it comes too late.
        try deferred.apply(deferred.settings, seed: 1, at: .zero)
        #expect(deferred.ringPlan == nil)
        direct.setWeight(2, server: 0)
        _ = deferred.adopt(plan.build())
        #expect(try places(deferred) == places(direct))
        _ = deferred.adopt(second.build())
        #expect(try places(deferred) == places(direct))
        #expect(try places(direct) != places(plain))
    }

    private func pick(_ backend: inout Backend, at now: Instant) -> Int? {
        backend.choose(key: id("x").span, at: now)?.server
    }

    @Test("a server's own max-fails marks it where the backend has none")
    func ownMarks() throws {
        let careful = Server.Settings(
            name: "a", host: "10.0.0.1", port: 1, passive: PassiveSettings(maximumFails: 2, failTimeout: .seconds(10)))
        var backend = try backend(.first, [careful, emqx(2)])
        let now = Instant.zero + .seconds(1)
        for _ in 0..<2 {
            #expect(pick(&backend, at: now) == 0)
            _ = backend.handle(.sessionFailed(.connect(errno: 111)), server: 0, at: now)
        }
        #expect(pick(&backend, at: now) == 1)
        let trial = now + .seconds(10)
        #expect(pick(&backend, at: trial) == 0)
        #expect(pick(&backend, at: trial) == 1)
        backend.sessionConnected(on: 0)
        #expect(pick(&backend, at: trial) == 0)
    }

    @Test("a backend whose names are not looked up yet is not settled")
    func incomplete() throws {
        var settings = Backend.Settings(algorithm: .first, check: nil, servers: [emqx(1)])
        settings.isComplete = false
        var backend = try Backend(settings, seed: 1, at: .zero)
        #expect(!backend.isSettled)
        settings.isComplete = true
        try backend.apply(settings, seed: 1, at: .zero)
        #expect(backend.isSettled)
    }
}
