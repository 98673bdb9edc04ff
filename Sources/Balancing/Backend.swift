// The servers that can do one job: who they are, how they are, what they carry.

package import Wire

/// The servers behind one `backend` block, and the choice among them.
///
/// A value without a lock. N event loops share one under one short lock for each backend, taken twice in the life of a
/// session (``choose(key:source:stuck:tried:at:)`` with ``sessionStarted(on:)`` in one go, ``sessionEnded(on:)``), and by the
/// prober for results of checks. Counts include pending connects because the session counts from its choice, so that
/// *least connections* holds in a storm where nobody has been answered yet.
///
/// **Indices are handles.** A server keeps its index over reloads, and an index is given to another server only when
/// the former has no session and no check in flight; so a session of last week still reports to the right one.
///
/// **Two hosts agree** on ``Algorithm/source``, and on ``Algorithm/hash(loadPercent:)`` without a bound on the load: the
/// choice then depends on the servers, their weights and their health only, not on counts, order or history (see
/// ``HashRing``). Limits to connections and passive marks are each host's own, and where they bite the hosts may differ.
package struct Backend: Sendable {
    /// How a server is chosen when the stick table names none.
    package enum Algorithm: Hashable, Sendable {
        /// Smooth weighted round robin, as in NGINX: a server's turns are spread evenly over the cycle.
        case roundRobin
        /// The fewest sessions for the weight; the next in turn among equals.
        case leastConnections
        /// Consistent hash of the client ID, placed as NGINX does.
        ///
        /// - Parameter loadPercent: A server gets at most this share of its fair load (125 is usual, more than 100);
        ///   what is beyond goes to the next on the ring (Mirrokni, Thorup, Zadimoghaddam 2016). `nil`, the default:
        ///   no bound, because with it the choice depends on counts that the two hosts do not share.
        case hash(loadPercent: Int? = nil)
        /// Consistent hash of the client's whole address, written as text, as NGINX's `hash $remote_addr consistent`
        /// does; unlike `ip_hash` the hosts of a network are spread.
        case source
        /// Two servers drawn at random by weight, the one with fewer sessions for its weight (Mitzenmacher 2001).
        case random
        /// The first server in the file's order that has room: as few servers as possible are in use.
        case first

        /// Whether it needs a ring.
        var isHash: Bool {
            switch self {
            case .hash, .source: true
            case .roundRobin, .leastConnections, .random, .first: false
            }
        }
    }

    /// What the configuration says about a backend.
    package struct Settings: Hashable, Sendable {
        package var algorithm: Algorithm
        /// `nil`: servers are not checked, and always up.
        package var check: CheckSettings?
        /// For servers without their own. `nil`: what sessions meet marks no server, and only counts for its checks.
        package var passive: PassiveSettings?
        /// The check is an agent's, whose word changes weights.
        package var hasAgent = false
        /// False while the addresses of some servers are still being looked up: until then the backend is not settled.
        package var isComplete = true
        /// With different names.
        package var servers: [Server.Settings]

        package init(
            algorithm: Algorithm, check: CheckSettings?, passive: PassiveSettings? = nil, servers: [Server.Settings]
        ) {
            self.algorithm = algorithm
            self.check = check
            self.passive = passive
            self.servers = servers
        }
    }

    /// More servers than a backend can hold, those included that are retired but still have sessions.
    package struct TooManyServers: Error, Hashable {
        package let count: Int
    }

    /// Most servers, retired ones included.
    package static let maximumServers = 4096

    package internal(set) var settings: Settings
    /// By index; retired ones included.
    package internal(set) var servers: [Server] = []
    /// Choices that found no server at all.
    package internal(set) var exhaustions: UInt64 = 0
    /// Sessions that could not go where they stick.
    package internal(set) var reroutes: UInt64 = 0
    /// Whether a server can be marked by sessions that could not reach it.
    private(set) var hasMarks = false
    /// Whether every server has been known at one time since the start; never taken back, so that a server added later
    /// does not make the host look new.
    package private(set) var isSettled = false

    /// Index of each server that is not retired.
    private var indices: [Server.ID: Int] = [:]
    /// Indices of the servers that are not retired, in the file's order.
    var order: [Int] = []
    /// Of ``Algorithm/random``.
    var random: SeededGenerator
    /// Of the ordinary servers and of the backups; empty unless the algorithm hashes.
    var rings = Rings.empty
    /// The rings are those of other servers or weights than there are now.
    var areRingsStale = false
    /// Where the scan for the fewest sessions begins: after the server found last.
    var cursor = 0

    /// - Parameters:
    ///   - former: The names of a former process's servers by index, at most half of ``maximumServers``: who has such a name, now
    ///     or later, gets that index (the last one, where a name stands twice), and nobody else does until ``forgetFormer()``. Until
    ///     then, and where nobody comes, sessions go on there as on any server that is retired.
    ///   - seed: Of the jitter of checks and of random choices; different on the two hosts.
    package init(
        _ settings: Settings, former: [String] = [], seed: UInt64, at now: Instant
    ) throws(TooManyServers) {
        self.settings = settings
        random = SeededGenerator(seed: seed)
        servers = former.map { Server(inherited: $0, seed: seed, at: now) }
        try apply(settings, seed: seed, at: now)
    }

    /// The sessions of the former process are judged: indices that none of them has may be given to others.
    package mutating func forgetFormer() {
        for index in servers.indices { servers[index].isReserved = false }
    }

    /// Applies the settings of a reload: servers that are in both keep their index, health and sessions; those that are
    /// gone retire. A weight or state the operator has set stays unless the file now says something else than before.
    ///
    /// - Throws: ``TooManyServers``, and nothing has changed.
    package mutating func apply(_ settings: Settings, seed: UInt64, at now: Instant) throws(TooManyServers) {
        var next = servers
        let wishes = Dictionary(
            settings.servers.map { (Server.id(named: $0.name), $0) }, uniquingKeysWith: { a, _ in a })
        var kept: Set<Server.ID> = []
        for index in next.indices where !next[index].isRetired {
            let former = next[index].settings
            guard let wanted = wishes[next[index].id], wanted.isSameServer(as: former) else {
                next[index].isRetired = true
                _ = next[index].health.handle(.administrative(.maintenance), at: now)
                continue
            }
            kept.insert(next[index].id)
            next[index].settings = wanted
            next[index].health.apply(settings.check, at: now)
            if self.settings.hasAgent, !settings.hasAgent { next[index].forgetAgent() }
            if wanted.weight != former.weight {
                next[index].weight = wanted.weight
                next[index].weightOrigin = .file
            }
            if wanted.administrative != former.administrative {
                _ = next[index].health.handle(.administrative(wanted.administrative), at: now)
            }
        }
        for added in settings.servers where kept.insert(Server.id(named: added.name)).inserted {
            let health = HealthState(
                settings.check, administrative: added.administrative, seed: seed ^ Server.id(named: added.name), at: now
            )
            var server = Server(settings: added, weight: added.weight, health: health)
            guard let place = next.lastIndex(where: { $0.awaits(added.name) }) ?? next.firstIndex(where: { $0.isFree }) else {
                next.append(server)
                continue
            }
            server.takeOver(next[place])
            next[place] = server
        }
        guard next.count <= Backend.maximumServers else { throw TooManyServers(count: next.count) }
        servers = next
        self.settings = settings
        indices = [:]
        for index in servers.indices where !servers[index].isRetired { indices[servers[index].id] = index }
        order = settings.servers.compactMap { indices[Server.id(named: $0.name)] }
        hasMarks = servers.contains { !$0.isRetired && passive(of: $0) != nil }
        for index in servers.indices where passive(of: servers[index]) == nil { servers[index].passive.clear() }
        weightsChanged()
        settle()
    }

    /// Index of a server by its identity; `nil` for one this backend does not have (any more).
    package func index(of id: Server.ID) -> Int? { indices[id] }
}

// MARK: - Events

extension Backend {
    /// Takes in what happened to a server.
    ///
    /// Every check that was started is answered here by one result, also for a server that is retired by then.
    ///
    /// - Returns: The change to tell, if there is one.
    package mutating func handle(_ event: HealthState.Event, server: Int, at now: Instant) -> HealthState.Transition? {
        if servers[server].isRetired, case .administrative = event { return nil }
        if let passive = passive(of: servers[server]), case .sessionFailed(let failure) = event,
            failure.isServersAlone
        {
            servers[server].passive.failed(passive, at: now)
        }
        if event.isCheckResult { servers[server].lastCheck = (event, now) }
        if event == .checkSkipped { servers[server].checksSkipped += 1 }
        let transition = servers[server].health.handle(event, at: now)
        if let transition { servers[server].healthChanged(transition, at: now) }
        settle()
        return servers[server].isRetired ? nil : transition
    }

    /// A session reached this server: its CONNACK came, whatever it says. Ends the trial of a marked server, and undoes
    /// what sessions that could not connect have said to its health.
    package mutating func sessionConnected(on server: Int) {
        servers[server].passive.connected()
        servers[server].health.sessionConnected()
    }

    /// A session goes to this server, though it may not be connected yet.
    package mutating func sessionStarted(on server: Int) { servers[server].connections += 1 }

    /// A session that was started on this server is over, or goes elsewhere.
    package mutating func sessionEnded(on server: Int) {
        precondition(servers[server].connections > 0, "a session ends once")
        servers[server].connections -= 1
    }

    /// What marks a server.
    func passive(of server: Server) -> PassiveSettings? { server.settings.passive ?? settings.passive }

    private mutating func settle() {
        guard !isSettled, settings.isComplete else { return }
        isSettled = servers.allSatisfy { $0.isRetired || $0.health.isKnown }
    }
}

extension Server {
    /// Whether its index may be given to another.
    fileprivate var isFree: Bool { isRetired && !isReserved && connections == 0 && !health.isCheckInFlight }
}
