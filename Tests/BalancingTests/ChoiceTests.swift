// Who may be chosen at all: stickiness, drain, maintenance, busy, weight 0, backups, servers already tried.

import Testing
import Wire

@testable import Balancing

@Suite struct ChoiceTests {
    static let later = Instant.zero + .seconds(2)

    /// What can be the matter with a server, and whether a session that sticks to it, or a new one, may go there.
    enum Matter: CaseIterable, Sendable {
        case nothing, weightZero, drain, maintenance, down, busy, goingDown

        var acceptsStuck: Bool { self == .nothing || self == .weightZero || self == .goingDown }
        var acceptsNew: Bool { self == .nothing || self == .goingDown }

        func happen(to server: Int, of backend: inout Backend) {
            let now = ChoiceTests.later
            switch self {
            case .nothing: break
            case .weightZero: backend.setWeight(0, server: server)
            case .drain: _ = backend.handle(.administrative(.drain), server: server, at: now)
            case .maintenance: _ = backend.handle(.administrative(.maintenance), server: server, at: now)
            case .down: backend.takeDown(server, at: now)
            case .busy: _ = backend.handle(.sessionBusy(code: 0x89), server: server, at: now)
            case .goingDown: backend.failCheck(server, at: now)
            }
        }
    }

    static let algorithms: [Backend.Algorithm] = [
        .roundRobin, .leastConnections, .hash(), .hash(loadPercent: 125), .source, .random,
    ]

    @Test(arguments: algorithms, Matter.allCases)
    func table(_ algorithm: Backend.Algorithm, _ matter: Matter) throws {
        var backend = try checked(algorithm, [emqx(1), emqx(2)])
        matter.happen(to: 0, of: &backend)

        let stuck = try backend.chosen("device-0001", stuck: 0)
        if matter.acceptsStuck {
            #expect(stuck == Choice(server: 0, because: .stuck, reroutedFrom: nil))
        } else {
            #expect(stuck.server == 1)
            #expect(stuck.because != .stuck)
            #expect(stuck.reroutedFrom == 0)
        }
        #expect(backend.reroutes == (matter.acceptsStuck ? 0 : 1))

        let new = (0..<40).compactMap { backend.start("client-\($0)")?.server }
        #expect(new.count == 40)
        #expect(new.contains(0) == matter.acceptsNew)
    }

    @Test(arguments: algorithms)
    func backupsServeOnlyWhenNobodyElseDoes(_ algorithm: Backend.Algorithm) throws {
        var backend = try checked(algorithm, [emqx(1), emqx(2), emqx(3, backup: true), emqx(4, backup: true)])
        for number in 0..<50 { #expect(try backend.started("c\(number)").server < 2) }
        backend.takeDown(0, at: ChoiceTests.later)
        for number in 0..<50 { #expect(try backend.started("c\(number)").server == 1) }
        backend.takeDown(1, at: ChoiceTests.later)
        let choices = (0..<50).compactMap { backend.start("c\($0)") }
        #expect(choices.count == 50)
        #expect(choices.allSatisfy { $0.because == .backup })
        #expect(Set(choices.map(\.server)) == [2, 3])
        // Sessions that stick to a backup stay with it when the others are back.
        for server in [0, 1] {
            _ = backend.handle(.administrative(.maintenance), server: server, at: ChoiceTests.later)
            _ = backend.handle(.administrative(.ready), server: server, at: ChoiceTests.later)
        }
        for server in backend.begunChecks(at: ChoiceTests.later) {
            _ = backend.handle(.checkPassed, server: server, at: ChoiceTests.later)
        }
        #expect(backend.start("c0")?.because != .backup)
        #expect(backend.start("c0", stuck: 3)?.because == .stuck)
    }

    @Test(arguments: algorithms)
    func aTriedServerIsNotChosenAgain(_ algorithm: Backend.Algorithm) throws {
        var backend = try checked(algorithm, [emqx(1), emqx(2), emqx(3, backup: true)])
        var tried = TriedServers()
        var chosen: [Int] = []
        while let choice = backend.start("device-0001", stuck: 1, tried: tried) {
            chosen.append(choice.server)
            #expect(choice.reroutedFrom == (chosen.count == 1 ? nil : 1))
            backend.sessionEnded(on: choice.server)
            #expect(tried.insert(choice.server) == true)
            guard chosen.count < 4 else { break }
        }
        #expect(chosen == [1, 0, 2])
        #expect(backend.exhaustions == 1)
        #expect(backend.loads == [0, 0, 0])
    }

    @Test(arguments: algorithms)
    func weightZeroIsNotTheLastResort(_ algorithm: Backend.Algorithm) throws {
        var backend = try checked(algorithm, [emqx(1, weight: 0), emqx(2)])
        backend.takeDown(1, at: ChoiceTests.later)
        #expect(backend.start("device-0001") == nil)
        #expect(backend.exhaustions == 1)
        #expect(try backend.started("device-0001", stuck: 0).because == .stuck)
    }

    @Test func triedServersAreBounded() {
        var tried = TriedServers()
        for server in 0..<TriedServers.capacity { #expect(tried.insert(server * 500) == true) }
        #expect(tried.isFull)
        #expect(tried.insert(7) == false)
        #expect(tried.insert(500) == true)
        #expect(tried.contains(3_500) && !tried.contains(7))
    }

    @Test(arguments: 1...30)
    func neverAnUnusableServer(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let servers = (0..<Int.random(in: 1...8, using: &random)).map {
            emqx($0, weight: Int.random(in: 0...4, using: &random), backup: Int.random(in: 0..<4, using: &random) == 0)
        }
        let algorithm = ChoiceTests.algorithms[Int(seed) % ChoiceTests.algorithms.count]
        var backend = try checked(algorithm, servers)
        var now = ChoiceTests.later
        var sessions: [Int] = []
        for step in 0..<1_000 {
            now += .milliseconds(Int.random(in: 0...300, using: &random))
            let server = Int.random(in: servers.indices, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0: _ = backend.handle(.sessionFailed(.connect(errno: 111)), server: server, at: now)
            case 1: _ = backend.handle(.sessionBusy(code: 3), server: server, at: now)
            case 2:
                let wish = HealthState.Administrative.allCases.randomElement(using: &random) ?? .ready
                _ = backend.handle(.administrative(wish), server: server, at: now)
            case 3: backend.setWeight(Int.random(in: 0...4, using: &random), server: server)
            case 4, 5:
                for due in backend.begunChecks(at: now) {
                    let passed = Int.random(in: 0..<4, using: &random) > 0
                    _ = backend.handle(passed ? .checkPassed : .checkFailed(.silent), server: due, at: now)
                }
            case 6: if let ended = sessions.popLast() { backend.sessionEnded(on: ended) }
            default:
                let stuck = Bool.random(using: &random) ? server : nil
                let eligible = backend.servers.indices.filter {
                    backend.servers[$0].health.isUsable && backend.servers[$0].weight > 0
                }
                let choice = backend.start("client-\(Int.random(in: 0..<50, using: &random))", stuck: stuck)
                guard let choice else {
                    #expect(eligible.isEmpty, "seed \(seed), step \(step): refused though \(eligible) can")
                    continue
                }
                sessions.append(choice.server)
                let chosen = backend.servers[choice.server]
                #expect(chosen.health.isUsable, "seed \(seed), step \(step)")
                if choice.because != .stuck {
                    #expect(eligible.contains(choice.server), "seed \(seed), step \(step)")
                    let ordinary = eligible.contains { !backend.servers[$0].settings.isBackup }
                    #expect(chosen.settings.isBackup == !ordinary, "seed \(seed), step \(step)")
                }
            }
        }
        #expect(backend.loads.reduce(0, +) == sessions.count)
    }
}
