// The choice by a key: the client ID or the client's address on the ring of the servers.

import Wire

extension Backend {
    /// Where the session's key lies on the ring; `nil` when the algorithm has none, or the session.
    func hashKey(_ key: Span<UInt8>, _ source: IPAddress?) -> UInt32? {
        switch settings.algorithm {
        case .hash: return key.isEmpty ? nil : CRC32.checksum(key)
        case .source: return source.map { CRC32.checksum(Array("\($0.unmapped)".utf8).span) }
        case .roundRobin, .leastConnections, .random, .first: return nil
        }
    }

    /// The key's own server, or the next on the ring that can take the session.
    mutating func hashed(_ hash: UInt32, _ search: Search) -> (Int, Choice.Because)? {
        let ring = search.isBackup ? rings.backups : rings.ordinary
        guard ring.count > 0 else { return nil }
        let first = ring.position(of: hash)
        let own = ring.server(at: first)
        var loadPercent: Int?
        var because = Choice.Because.source
        if case .hash(let percent) = settings.algorithm { (loadPercent, because) = (percent, .hash) }
        if isEligible(own, search), servers[own].isFull { overflowed(own, search) }
        if loadPercent == nil, isCandidate(own, search) { return (own, because) }

        // Sums over those that can be chosen. With more than 100 percent somebody among them is below the bound, so
        // the walk below ends at a server.
        var weights = 0
        var sessions = 0
        for index in servers.indices where isCandidate(index, search) {
            weights += servers[index].weight
            sessions += servers[index].connections
        }
        guard weights > 0 else { return nil }
        var position = first
        for _ in 0..<ring.count {
            let index = ring.server(at: position)
            if isCandidate(index, search),
                loadPercent.map({ hasRoom(index, percent: $0, sessions: sessions, weights: weights) }) ?? true
            {
                return (index, index == own ? because : .fallback)
            }
            position = ring.position(after: position)
        }
        return nil
    }

    /// Whether one more session keeps the server within its bound, ⌈percent × fair share⌉ with that session counted.
    private func hasRoom(_ index: Int, percent: Int, sessions: Int, weights: Int) -> Bool {
        let share = percent * (sessions + 1) * servers[index].weight
        return servers[index].connections < (share + 100 * weights - 1) / (100 * weights)
    }
}
