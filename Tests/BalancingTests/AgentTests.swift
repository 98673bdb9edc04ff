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
        let due = backend.startDueChecks(at: now)
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
            let due = backend.startDueChecks(at: now)
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
            let due = backend.startDueChecks(at: now, most: 32)
            #expect(due.count <= 32)
            begun.formUnion(due)
        }
        #expect(begun.count == 100)
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
