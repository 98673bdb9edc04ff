// The choice of a server: stickiness first, then the algorithm, then the backups, then whoever is only marked.

package import Wire

extension Backend {
    /// Who may be chosen in one pass over the servers.
    struct Search {
        let tried: TriedServers
        let isBackup: Bool
        /// Servers that sessions could not reach take part: a wrong guess costs one try, refusing everybody an outage.
        let ignoresMarks: Bool
        let now: Instant
    }

    /// Chooses a server for one session.
    ///
    /// O(servers) for all algorithms but a hash whose own server is usable: O(log points).
    ///
    /// - Parameters:
    ///   - key: The client ID; only ``Algorithm/hash(loadPercent:)`` looks at it. Empty: round robin instead.
    ///   - source: The client's address; only ``Algorithm/source`` looks at it. `nil`: round robin instead.
    ///   - stuck: Where the stick table sends the session; honoured when that server accepts and has room, whatever its
    ///     weight.
    ///   - tried: Servers that this session has already tried in vain.
    ///   - now: For slow starts and marks. Left out: all of them are over; only for backends that have neither.
    /// - Returns: `nil` when no server is left.
    package mutating func choose(
        key: Span<UInt8>, source: IPAddress? = nil, stuck: Int? = nil, tried: TriedServers = TriedServers(),
        at now: Instant = .distantFuture
    ) -> Choice? {
        if let stuck {
            if servers[stuck].acceptsStuck, !tried.contains(stuck), servers[stuck].passive.accepts(at: now) {
                if !servers[stuck].isFull { return chosen(stuck, .stuck, from: nil, at: now) }
                servers[stuck].overflows += 1
            }
            reroutes += 1
        }
        let hash = hashKey(key, source)
        for ignoresMarks in hasMarks ? [false, true] : [false] {
            for isBackup in [false, true] {
                let search = Search(tried: tried, isBackup: isBackup, ignoresMarks: ignoresMarks, now: now)
                if let (server, because) = choose(hash, search) {
                    return chosen(server, isBackup ? .backup : because, from: stuck, at: now)
                }
            }
        }
        exhaustions += 1
        return nil
    }

    private mutating func chosen(
        _ server: Int, _ because: Choice.Because, from stuck: Int?, at now: Instant
    ) -> Choice {
        if let passive = passive(of: servers[server]) { servers[server].passive.chosen(passive, at: now) }
        return Choice(server: server, because: because, reroutedFrom: stuck)
    }

    private mutating func choose(_ hash: UInt32?, _ search: Search) -> (Int, Choice.Because)? {
        switch settings.algorithm {
        case .hash, .source:
            // A server can be without a point (all of its points shared with another) and yet be the only one left.
            guard let hash else { return roundRobin(search).map { ($0, .roundRobin) } }
            return hashed(hash, search) ?? roundRobin(search).map { ($0, .fallback) }
        case .leastConnections: return leastConnections(search).map { ($0, .leastConnections) }
        case .random: return randomOfTwo(search).map { ($0, .random) }
        case .first: return first(search).map { ($0, .first) }
        case .roundRobin: return roundRobin(search).map { ($0, .roundRobin) }
        }
    }

    /// Whether a session may go there when there is room.
    func isEligible(_ index: Int, _ search: Search) -> Bool {
        servers[index].settings.isBackup == search.isBackup && servers[index].acceptsNew
            && !search.tried.contains(index) && (search.ignoresMarks || servers[index].passive.accepts(at: search.now))
    }

    /// Whether a session may go there.
    func isCandidate(_ index: Int, _ search: Search) -> Bool { !servers[index].isFull && isEligible(index, search) }

    /// A session that was this server's goes elsewhere; counted in the first pass only.
    mutating func overflowed(_ index: Int, _ search: Search) {
        if !search.ignoresMarks { servers[index].overflows += 1 }
    }

    /// NGINX's smooth weighted round robin: everybody gains their weight, the one farthest ahead is chosen and pays the
    /// sum. Weights 5/1/1 give a a b a c a a, never five in a row.
    private mutating func roundRobin(_ search: Search) -> Int? {
        var best: Int?
        var total = 0
        for index in servers.indices where isCandidate(index, search) {
            let weight = servers[index].effectiveWeight(at: search.now)
            servers[index].current += weight
            total += weight
            if best.map({ servers[index].current > servers[$0].current }) ?? true { best = index }
        }
        if let best { servers[best].current -= total }
        return best
    }

    /// The least `(sessions + 1) / weight`, the load *after* the choice, so that an idle heavy server goes before an
    /// idle light one. Among equals the first after the server chosen last.
    private mutating func leastConnections(_ search: Search) -> Int? {
        var best: Int?
        for offset in servers.indices {
            let shifted = cursor + offset
            let index = shifted < servers.count ? shifted : shifted - servers.count
            guard isCandidate(index, search) else { continue }
            if best.map({ isLessLoaded(index, than: $0, at: search.now) }) ?? true { best = index }
        }
        if let best { cursor = best + 1 < servers.count ? best + 1 : 0 }
        return best
    }

    /// Compares without division.
    private func isLessLoaded(_ index: Int, than other: Int, at now: Instant) -> Bool {
        (servers[index].connections + 1) * servers[other].effectiveWeight(at: now)
            < (servers[other].connections + 1) * servers[index].effectiveWeight(at: now)
    }

    /// Two different servers, drawn one after the other by weight; the less loaded one, the first among equals.
    private mutating func randomOfTwo(_ search: Search) -> Int? {
        guard let one = draw(search, except: nil) else { return nil }
        guard let other = draw(search, except: one) else { return one }
        return isLessLoaded(other, than: one, at: search.now) ? other : one
    }

    private mutating func draw(_ search: Search, except other: Int?) -> Int? {
        var total = 0
        for index in servers.indices where index != other && isCandidate(index, search) {
            total += servers[index].effectiveWeight(at: search.now)
        }
        guard total > 0 else { return nil }
        var place = Int.random(in: 0..<total, using: &random)
        for index in servers.indices where index != other && isCandidate(index, search) {
            place -= servers[index].effectiveWeight(at: search.now)
            if place < 0 { return index }
        }
        return nil
    }

    private mutating func first(_ search: Search) -> Int? {
        for index in order where isEligible(index, search) {
            if !servers[index].isFull { return index }
            overflowed(index, search)
        }
        return nil
    }
}
