// Backends and shorthands that the tests of this target share.

import Testing
import Wire

@testable import Balancing

/// Bytes of a client ID.
func id(_ text: String) -> [UInt8] { Array(text.utf8) }

/// `emqx1-cluster.emqx.io:1883` and its kin, as in the NGINX golden vectors.
func emqx(_ number: Int, weight: Int = 1, backup: Bool = false) -> Server.Settings {
    Server.Settings(
        name: "emqx\(number)", host: "emqx\(number)-cluster.emqx.io", port: 1883, weight: weight, isBackup: backup)
}

/// A backend of servers that are always up.
func backend(_ algorithm: Backend.Algorithm, _ servers: [Server.Settings]) throws -> Backend {
    try Backend(Backend.Settings(algorithm: algorithm, check: nil, servers: servers), seed: 1, at: .zero)
}

/// A backend of servers that are checked, each with its first check passed.
func checked(_ algorithm: Backend.Algorithm, _ servers: [Server.Settings]) throws -> Backend {
    var backend = try Backend(
        Backend.Settings(algorithm: algorithm, check: CheckSettings(), servers: servers), seed: 1, at: .zero)
    for server in backend.begunChecks(at: .zero + .seconds(1)) {
        _ = backend.handle(.checkPassed, server: server, at: .zero + .seconds(1))
    }
    return backend
}

extension Backend {
    /// Chooses and counts the session, as the data plane does.
    mutating func start(
        _ client: String = "", source: IPAddress? = nil, stuck: Int? = nil, tried: TriedServers = TriedServers(),
        at now: Instant = .distantFuture
    ) -> Choice? {
        let choice = choose(key: id(client).span, source: source, stuck: stuck, tried: tried, at: now)
        if let choice { sessionStarted(on: choice.server) }
        return choice
    }

    /// Starts a session that must find a server.
    mutating func started(_ client: String, source: IPAddress? = nil, stuck: Int? = nil) throws -> Choice {
        let choice = start(client, source: source, stuck: stuck)
        return try #require(choice)
    }

    /// Chooses, without starting, for a session that must find a server.
    mutating func chosen(_ client: String, stuck: Int? = nil) throws -> Choice {
        let choice = choose(key: id(client).span, stuck: stuck)
        return try #require(choice)
    }

    /// Takes a server down by one failed check for each of its `fall`.
    mutating func takeDown(_ server: Int, at now: Instant) {
        for _ in 0..<3 { failCheck(server, at: now) }
    }

    /// One check of a server fails.
    mutating func failCheck(_ server: Int, at now: Instant) {
        if !servers[server].health.isCheckInFlight { _ = handle(.checkStarted, server: server, at: now) }
        _ = handle(.checkFailed(.connect(errno: 111)), server: server, at: now)
    }

    /// Begins the checks that are due: the servers.
    mutating func begunChecks(at now: Instant, most: Int = .max, mostDown: Int = .max) -> [Int] {
        startDueChecks(at: now, most: most, mostDown: mostDown).map(\.server)
    }

    /// Servers of the next `count` sessions; fewer when some find none.
    mutating func turns(_ count: Int, at now: Instant) -> [Int] {
        (0..<count).compactMap { _ in start(at: now)?.server }
    }

    var loads: [Int] { servers.map(\.connections) }
}
