// Who gets how much: the figures that the EMQX documents promise, and convergence.

import Testing
import Wire

@testable import Balancing

@Suite struct DistributionTests {
    static let algorithms: [Backend.Algorithm] = [.roundRobin, .leastConnections]

    @Test(arguments: algorithms, [(9, [3, 3, 3]), (10, [4, 3, 3])])
    func equalServers(_ algorithm: Backend.Algorithm, _ figures: (clients: Int, loads: [Int])) throws {
        var backend = try backend(algorithm, [emqx(1), emqx(2), emqx(3)])
        for _ in 0..<figures.clients { _ = backend.start() }
        #expect(backend.loads == figures.loads)
    }

    @Test(
        arguments: algorithms,
        [([3, 2, 1], 60, [30, 20, 10]), ([5, 2, 3], 100, [50, 20, 30]), ([0, 1, 256], 257, [0, 1, 256])])
    func weights(
        _ algorithm: Backend.Algorithm, _ figures: (weights: [Int], clients: Int, loads: [Int])
    ) throws {
        var backend = try backend(algorithm, figures.weights.enumerated().map { emqx($0 + 1, weight: $1) })
        for _ in 0..<figures.clients { _ = backend.start() }
        #expect(backend.loads == figures.loads)
    }

    @Test func turnsAreSpreadOverTheCycle() throws {
        var weighted = try backend(.roundRobin, [emqx(1, weight: 5), emqx(2), emqx(3)])
        let order = (0..<7).compactMap { _ in weighted.start()?.server }
        #expect(order == [0, 0, 1, 0, 2, 0, 0])

        var second = try backend(.roundRobin, [emqx(1, weight: 3), emqx(2, weight: 2), emqx(3)])
        let turns = (0..<60).compactMap { _ in second.start()?.server }
        #expect(turns.count == 60)
        for start in 0..<(turns.count - 3) {
            #expect(Set(turns[start..<start + 4]).count > 1, "four in a row at \(start)")
        }
    }

    @Test func leastConnectionsFillsASkewedStart() throws {
        var backend = try backend(.leastConnections, [emqx(1), emqx(2), emqx(3)])
        for _ in 0..<45 { backend.sessionStarted(on: 0) }
        for _ in 0..<27 { backend.sessionStarted(on: 1) }
        for _ in 0..<63 { _ = backend.start() }
        #expect(backend.loads == [45, 45, 45])
    }

    /// In a storm nobody is connected yet; the session counts from its choice.
    @Test func pendingConnectsCount() throws {
        var backend = try backend(.leastConnections, [emqx(1, weight: 2), emqx(2)])
        backend.sessionStarted(on: 0)
        backend.sessionStarted(on: 0)
        #expect(backend.start()?.server == 1)
        backend.sessionEnded(on: 1)
        #expect(backend.start()?.server == 1)
    }

    @Test(arguments: 1...20)
    func leastConnectionsConverges(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let weights = (0..<Int.random(in: 2...8, using: &random)).map { _ in Int.random(in: 1...9, using: &random) }
        var backend = try backend(.leastConnections, weights.enumerated().map { emqx($0, weight: $1) })
        for index in weights.indices {
            for _ in 0..<Int.random(in: 0...200, using: &random) { backend.sessionStarted(on: index) }
        }
        // A population that stays: sessions end anywhere and come back where the algorithm sends them.
        for _ in 0..<6_000 {
            let busy = backend.servers.indices.filter { backend.servers[$0].connections > 0 }
            if let leaving = busy.randomElement(using: &random) { backend.sessionEnded(on: leaving) }
            _ = backend.start()
        }
        let total = backend.loads.reduce(0, +)
        let sum = weights.reduce(0, +)
        for (load, weight) in zip(backend.loads, weights) {
            #expect(abs(load - total * weight / sum) <= 2, "seed \(seed): \(backend.loads) for \(weights)")
        }
    }

    @Test func equalsTakeTurns() throws {
        var backend = try backend(.leastConnections, [emqx(1), emqx(2), emqx(3)])
        var order: [Int] = []
        for _ in 0..<6 {
            let server = try backend.started("").server
            order.append(server)
            backend.sessionEnded(on: server)
        }
        #expect(order == [0, 1, 2, 0, 1, 2])
    }
}
