// A backend over its life: settling, checks, reloads, and what stays through them.

import Testing
import Wire

@testable import Balancing

@Suite struct BackendTests {
    static let check = CheckSettings()

    static func settings(_ servers: [Server.Settings]) -> Backend.Settings {
        Backend.Settings(algorithm: .leastConnections, check: check, servers: servers)
    }

    @Test func settledOnceEveryServerIsKnown() throws {
        var resting = emqx(3)
        resting.administrative = .maintenance
        var backend = try Backend(BackendTests.settings([emqx(1), emqx(2), resting]), seed: 1, at: .zero)
        #expect(!backend.isSettled)
        let now = Instant.zero + CheckSettings.startSpread
        let first = try #require(backend.nextDeadline)
        #expect(first <= now)
        #expect(backend.begunChecks(at: now) == [0, 1])
        #expect(backend.begunChecks(at: now).isEmpty)
        #expect(backend.nextDeadline == nil)
        #expect(backend.handle(.checkPassed, server: 0, at: now)?.to == .up)
        #expect(!backend.isSettled)
        #expect(backend.handle(.checkFailed(.silent), server: 1, at: now)?.to == .down)
        #expect(backend.isSettled)
        // A newcomer does not make the host look new.
        try backend.apply(BackendTests.settings([emqx(1), emqx(2), emqx(4)]), seed: 1, at: now)
        #expect(backend.isSettled)
    }

    @Test func withoutChecksSettledAtOnce() throws {
        #expect(try backend(.roundRobin, [emqx(1)]).isSettled)
    }

    @Test func aReloadKeepsIndexHealthAndSessions() throws {
        var backend = try checked(.leastConnections, [emqx(1), emqx(2), emqx(3)])
        let now = Instant.zero + .seconds(2)
        for _ in 0..<5 { backend.sessionStarted(on: 1) }
        backend.sessionStarted(on: 0)
        backend.takeDown(2, at: now)
        backend.setWeight(7, server: 1)
        _ = backend.handle(.administrative(.drain), server: 1, at: now)

        try backend.apply(BackendTests.settings([emqx(4), emqx(3), emqx(2)]), seed: 1, at: now)
        #expect(backend.servers.map(\.settings.name) == ["emqx1", "emqx2", "emqx3", "emqx4"])
        #expect(backend.servers[0].isRetired && !backend.servers[0].acceptsStuck)
        #expect(backend.servers[1].connections == 5 && backend.servers[1].weight == 7)
        #expect(backend.servers[1].health.administrative == .drain)
        #expect(backend.servers[2].health.status == .down)
        #expect(backend.index(of: Server.id(named: "emqx1")) == nil)
        #expect(backend.index(of: Server.id(named: "emqx4")) == 3)
        #expect(backend.start()?.server == 3)

        // The file has the last word where it changed.
        try backend.apply(BackendTests.settings([emqx(2, weight: 3), emqx(3), emqx(4)]), seed: 1, at: now)
        #expect(backend.servers[1].weight == 3)
    }

    @Test func anIndexIsGivenAwayOnlyWhenNobodyHoldsIt() throws {
        var backend = try checked(.leastConnections, [emqx(1), emqx(2)])
        let now = Instant.zero + .seconds(4)
        backend.sessionStarted(on: 0)
        #expect(backend.begunChecks(at: now) == [0, 1])
        _ = backend.handle(.checkPassed, server: 0, at: now)
        try backend.apply(BackendTests.settings([emqx(3)]), seed: 1, at: now)
        #expect(backend.servers.map(\.settings.name) == ["emqx1", "emqx2", "emqx3"])
        backend.sessionEnded(on: 0)
        // The second still owes a result; the first is free.
        try backend.apply(BackendTests.settings([emqx(3), emqx(4), emqx(5)]), seed: 1, at: now)
        #expect(backend.servers.map(\.settings.name) == ["emqx4", "emqx2", "emqx3", "emqx5"])
        #expect(backend.handle(.checkFailed(.silent), server: 1, at: now) == nil)
        #expect(backend.handle(.administrative(.ready), server: 1, at: now) == nil)
        try backend.apply(BackendTests.settings([emqx(3), emqx(4), emqx(5), emqx(6)]), seed: 1, at: now)
        #expect(backend.servers.map(\.settings.name) == ["emqx4", "emqx6", "emqx3", "emqx5"])
    }

    @Test func theSameNameAtAnotherAddressIsAnotherServer() throws {
        var backend = try checked(.leastConnections, [emqx(1)])
        backend.sessionStarted(on: 0)
        var moved = emqx(1)
        moved.host = "10.0.0.9"
        try backend.apply(BackendTests.settings([moved]), seed: 1, at: .zero + .seconds(2))
        #expect(backend.index(of: Server.id(named: "emqx1")) == 1)
        #expect(backend.servers[1].health.status == .unchecked)
        #expect(backend.loads == [1, 0])
    }

    @Test func aFormerProcesssServerKeepsItsSessionsAndItsPlace() throws {
        var backend = try Backend(
            BackendTests.settings([emqx(1)]), former: ["emqx2", "emqx1", "", "emqx3"], seed: 1, at: .zero)
        #expect(backend.servers.map(\.isRetired) == [true, false, true, true])
        for server in [0, 0, 1] { backend.sessionStarted(on: server) }
        // Before they are judged nobody else gets a place, after it those that have no session are free.
        try backend.apply(BackendTests.settings([emqx(1), emqx(4)]), seed: 1, at: .zero)
        #expect(backend.index(of: Server.id(named: "emqx4")) == 4)
        backend.forgetFormer()
        try backend.apply(BackendTests.settings([emqx(1), emqx(4), emqx(2), emqx(5)]), seed: 1, at: .zero)
        #expect(backend.servers.map(\.settings.name) == ["emqx2", "emqx1", "emqx5", "emqx3", "emqx4"])
        #expect(backend.servers.map(\.isRetired) == [false, false, false, true, false])
        #expect(backend.loads == [2, 1, 0, 0, 0])
        for server in [0, 0, 1] { backend.sessionEnded(on: server) }
        #expect(backend.loads == [0, 0, 0, 0, 0])
        // One that came, went and comes again is a server like others.
        backend.sessionStarted(on: 0)
        try backend.apply(BackendTests.settings([emqx(1)]), seed: 1, at: .zero)
        try backend.apply(BackendTests.settings([emqx(1), emqx(2)]), seed: 1, at: .zero)
        #expect(backend.index(of: Server.id(named: "emqx2")) == 2)
    }

    @Test func tooManyServersChangeNothing() throws {
        var backend = try backend(.roundRobin, [emqx(1)])
        let many = (0...Backend.maximumServers).map { emqx($0) }
        #expect(throws: Backend.TooManyServers(count: Backend.maximumServers + 1)) {
            try backend.apply(BackendTests.settings(many), seed: 1, at: .zero)
        }
        #expect(backend.servers.count == 1 && backend.settings.servers == [emqx(1)])
    }
}
