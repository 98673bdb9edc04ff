// Servers that sessions cannot reach, and servers that come back: marks and slow starts, in virtual time.

import Testing
import Wire

@testable import Balancing

@Suite struct PassiveMarkTests {
    static let refused = HealthState.Event.sessionFailed(.connect(errno: 111))

    private func marking(
        _ servers: [Server.Settings], _ passive: PassiveSettings, check: CheckSettings? = nil
    ) throws -> Backend {
        try Backend(
            Backend.Settings(algorithm: .roundRobin, check: check, passive: passive, servers: servers), seed: 1,
            at: .zero)
    }

    private func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }

    /// Rows 20 and 21: two refused connects, skipped for ten seconds, then one probe.
    @Test func marksAndTries() throws {
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings(maximumFails: 2, failTimeout: .seconds(10)))
        _ = backend.handle(Self.refused, server: 0, at: at(1))
        #expect(Set(backend.turns(4, at: at(1))) == [0, 1])
        _ = backend.handle(Self.refused, server: 0, at: at(2))
        #expect(backend.servers[0].passive.state == .marked(until: at(12)) && backend.servers[0].passive.marks == 1)
        #expect(backend.turns(20, at: at(11)) == [Int](repeating: 1, count: 20))
        // One session tries it; the others wait for what it finds.
        let tries = backend.turns(20, at: at(12))
        #expect(tries.filter { $0 == 0 }.count == 1)
        _ = backend.handle(Self.refused, server: 0, at: at(13))
        #expect(backend.servers[0].passive.marks == 2)
        #expect(backend.turns(20, at: at(22)) == [Int](repeating: 1, count: 20))
        #expect(backend.turns(20, at: at(23)).filter { $0 == 0 }.count == 1)
        backend.sessionConnected(on: 0)
        #expect(backend.servers[0].passive.state == .clear(failures: 0, since: .zero))
        #expect(backend.turns(20, at: at(24)).contains(0))
    }

    @Test func failuresCountWithinTheirTime() throws {
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings(maximumFails: 2, failTimeout: .seconds(10)))
        for second in [0, 11, 22, 33] { _ = backend.handle(Self.refused, server: 0, at: at(second)) }
        #expect(backend.servers[0].passive.marks == 0)
        _ = backend.handle(Self.refused, server: 0, at: at(43))
        #expect(backend.servers[0].passive.marks == 1)
        // Late news changes nothing.
        _ = backend.handle(Self.refused, server: 0, at: at(44))
        #expect(backend.servers[0].passive.state == .marked(until: at(53)))
    }

    @Test func aTrialNobodyReportsIsOver() throws {
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings(failTimeout: .seconds(10)))
        _ = backend.handle(Self.refused, server: 0, at: at(0))
        for second in [10, 20, 30] {
            let tries = backend.turns(10, at: at(second))
            #expect(tries.filter { $0 == 0 }.count == 1, "at \(second) s")
            #expect(backend.turns(10, at: at(second + 9)) == [Int](repeating: 1, count: 10))
        }
    }

    /// No client may take a server away from the others.
    @Test(arguments: [HealthState.Failure.closed, .silent, .malformed, .connack(5)])
    func whatAClientCanCauseDoesNotMark(_ failure: HealthState.Failure) throws {
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings())
        for second in 0..<100 { _ = backend.handle(.sessionFailed(failure), server: 0, at: at(second)) }
        #expect(backend.servers[0].passive.marks == 0)
        _ = backend.handle(.sessionFailed(.connectTimeout), server: 0, at: at(100))
        #expect(backend.servers[0].passive.marks == 1)
    }

    @Test func whenAllAreMarkedAllAreTried() throws {
        var backend = try marking([emqx(1), emqx(2), emqx(3, backup: true)], PassiveSettings())
        for server in 0..<2 { _ = backend.handle(Self.refused, server: server, at: at(1)) }
        #expect(backend.start(at: at(2))?.because == .backup)
        _ = backend.handle(Self.refused, server: 2, at: at(2))
        let choices = (0..<10).compactMap { _ in backend.start(at: at(3)) }
        #expect(choices.count == 10 && choices.allSatisfy { $0.because == .roundRobin })
        var alone = try marking([emqx(1)], PassiveSettings())
        _ = alone.handle(Self.refused, server: 0, at: at(1))
        #expect(alone.start(at: at(2))?.server == 0)
        #expect(alone.exhaustions == 0)
    }

    @Test func whatSticksToAMarkedServerGoesElsewhere() throws {
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings())
        _ = backend.handle(Self.refused, server: 0, at: at(1))
        #expect(backend.start(stuck: 0, at: at(2))?.reroutedFrom == 0)
        #expect(backend.start(stuck: 0, at: at(11))?.because == .stuck)
        #expect(backend.start(stuck: 0, at: at(11))?.reroutedFrom == 0)
    }

    @Test func itIsAnOption() throws {
        var without = try backend(.roundRobin, [emqx(1), emqx(2)])
        for _ in 0..<50 { _ = without.handle(Self.refused, server: 0, at: at(1)) }
        #expect(without.servers[0].passive.marks == 0)
        // A reload that switches it off forgets the marks; checks count beside it.
        let check = CheckSettings(fall: 3)
        var backend = try marking([emqx(1), emqx(2)], PassiveSettings(), check: check)
        _ = backend.handle(Self.refused, server: 0, at: at(1))
        #expect(backend.servers[0].health.strikes == 1 && backend.servers[0].passive.marks == 1)
        try backend.apply(.init(algorithm: .roundRobin, check: nil, servers: [emqx(1), emqx(2)]), seed: 1, at: at(2))
        #expect(backend.turns(4, at: at(2)).contains(0))
    }
}

@Suite struct SlowStartTests {
    static func slow(_ number: Int, weight: Int = 1) -> Server.Settings {
        var settings = emqx(number, weight: weight)
        settings.slowStart = .seconds(100)
        return settings
    }

    private func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }

    /// Takes a server down and brings it up at `up`.
    private func bounce(_ backend: inout Backend, _ server: Int, up: Instant) {
        backend.takeDown(server, at: .zero + .seconds(2))
        for _ in 0..<2 {
            _ = backend.handle(.checkStarted, server: server, at: up)
            _ = backend.handle(.checkPassed, server: server, at: up)
        }
    }

    @Test func theWeightGrows() throws {
        var backend = try checked(.roundRobin, [Self.slow(1, weight: 4), emqx(2)])
        // Not at the start of the process.
        #expect(backend.servers[0].effectiveWeight(at: at(1)) == 4 * 256)
        bounce(&backend, 0, up: at(1_000))
        #expect(backend.servers[0].health.status == .up)
        let figures = [(1_000, 1), (1_025, 256), (1_050, 512), (1_075, 768), (1_100, 1024), (9_999, 1024)]
        for (second, weight) in figures { #expect(backend.servers[0].effectiveWeight(at: at(second)) == weight) }
        // A clock that is behind makes nothing worse.
        #expect(backend.servers[0].effectiveWeight(at: at(999)) == 1)
        backend.setWeight(0, server: 0)
        #expect(backend.servers[0].effectiveWeight(at: at(1_050)) == 0)
    }

    /// Of 90 turns each: nearly none, a fifth (half against one and one), a third.
    @Test func turnsFollowTheWeight() throws {
        var backend = try checked(.roundRobin, [Self.slow(1), emqx(2), emqx(3)])
        bounce(&backend, 0, up: at(1_000))
        for (second, share) in [(1_000, 0...1), (1_050, 17...19), (1_100, 29...31)] {
            let turns = backend.turns(90, at: at(second)).filter { $0 == 0 }.count
            #expect(share.contains(turns), "\(turns) at \(second) s")
        }
    }

    /// A broker that comes back empty is not hit by everybody at once.
    @Test func leastConnectionsRampsUp() throws {
        var backend = try checked(.leastConnections, [Self.slow(1), emqx(2)])
        bounce(&backend, 0, up: at(1_000))
        for _ in 0..<1_000 { backend.sessionStarted(on: 1) }
        for _ in 0..<100 { _ = backend.start(at: at(1_010)) }
        // A tenth of the weight (25 steps of 256): a tenth of the other's sessions, 97 of 1,003; then they share.
        #expect(backend.loads == [97, 1_003])
        for _ in 0..<1_100 { _ = backend.start(at: at(1_010)) }
        #expect((195...202).contains(backend.loads[0]), "\(backend.loads)")
    }

    @Test func theOnlyOneLeftIsChosenAtOnce() throws {
        for algorithm in AlgorithmTests.all {
            var backend = try checked(algorithm, [Self.slow(1)])
            bounce(&backend, 0, up: at(1_000))
            #expect(backend.start("x", source: .v4(IPv4Address(7)), at: at(1_000))?.server == 0)
        }
    }

    @Test func keysBelongWhereTheyBelong() throws {
        var backend = try checked(.hash(), [Self.slow(1), emqx(2), emqx(3)])
        bounce(&backend, 0, up: at(1_000))
        let choice = backend.start("device-0001", at: at(1_000))
        #expect(choice == Choice(server: 0, because: .hash, reroutedFrom: nil))
    }

    @Test(arguments: [HealthState.Event.sessionBusy(code: 3), .administrative(.maintenance), .administrative(.drain)])
    func whatCountsAsComingBack(_ event: HealthState.Event) throws {
        var backend = try checked(.roundRobin, [Self.slow(1), emqx(2)])
        _ = backend.handle(event, server: 0, at: at(5))
        _ = backend.handle(.administrative(.ready), server: 0, at: at(6))
        for _ in 0..<2 {
            _ = backend.handle(.checkStarted, server: 0, at: at(6))
            _ = backend.handle(.checkPassed, server: 0, at: at(6))
        }
        #expect(backend.servers[0].health.status == .up)
        // A drain empties nothing but the sessions: its caches are warm.
        let isSlow = event != .administrative(.drain)
        #expect(backend.servers[0].effectiveWeight(at: at(6)) == (isSlow ? 1 : 256))
    }
}
