// The state machine of the pair link: keeps this node's stick tables and its peer's the same.

import Balancing
package import Wire

/// One peer, over all connections to it (docs/replication.md).
///
/// It has no queue: what there is to send is a flag or a cursor into a table, and a frame is made when the transport
/// can take one (``nextFrame(into:at:)``). After every event, after writes to the tables (soon: within 10 ms), and when
/// ``nextDeadline`` has come, the shell hands in ``PeerEvent/timer`` if due and pulls frames until there is none or the
/// transport is full. A link that this side gave up (``PeerAction/close(_:)``) is dead until the shell reports
/// ``PeerEvent/disconnected``.
package struct PeerSession {
    /// Settings of the session.
    package struct Settings: Hashable, Sendable {
        /// This node's name, and its identity in versions (see ``PeerSession/identity(of:)``).
        package var name: String
        package var node: UInt32
        /// Drawn at random by each process.
        package var instance: UInt64
        /// The name the peer has to have.
        package var peer: String
        /// 1 ms … 60 s.
        package var heartbeat: Duration = .milliseconds(100)
        /// Silence after which the link is dead; never less than three of the peer's heartbeats.
        package var timeout: Duration = .seconds(1)
        package var helloTimeout: Duration = .seconds(5)
        /// Time between comparisons of digests.
        package var antiEntropy: Duration = .seconds(30)

        package init(name: String, instance: UInt64, peer: String) {
            self.name = name
            self.node = PeerSession.identity(of: name)
            self.instance = instance
            self.peer = peer
        }
    }

    package let settings: Settings
    let tables: [any ReplicatedTable]
    /// The connection there is.
    var link: Link?
    /// The peer process whose acknowledgements `acked` holds.
    var ackedInstance: UInt64?
    /// By table and shard: the last update number the peer has.
    var acked: [[UInt64]]
    var facts = NodeFacts()
    var round: UInt32 = 0
    /// When ``nextFrame(into:at:)`` stopped a scan that is to go on at once.
    var continueAt: Instant?
    package internal(set) var counters = PeerCounters()
    /// What the peer last said about itself on this link.
    package internal(set) var peerFacts: NodeFacts?

    /// - Parameter tables: at most ``LinkLimit/tables``, names all different.
    package init(settings: Settings, tables: [any ReplicatedTable]) {
        precondition(tables.count <= LinkLimit.tables, "more tables than a HELLO can announce")
        self.settings = settings
        self.tables = tables
        acked = tables.map { [UInt64](repeating: 0, count: $0.shardCount) }
    }

    /// A node's identity in versions: the stable hash of its name, folded.
    package static func identity(of name: String) -> UInt32 {
        let hash = stableHash(name)
        return UInt32(truncatingIfNeeded: hash ^ (hash >> 32))
    }

    // MARK: Events

    /// Takes an event and says what the shell has to do.
    package mutating func handle(_ event: PeerEvent, at now: Instant) -> [PeerAction] {
        switch event {
        case .connected:
            var actions: [PeerAction] = []
            if link != nil { actions = disconnected(at: now) }
            link = Link(openedAt: now, heartbeatAt: now)
            return actions
        case .disconnected: return disconnected(at: now)
        case .facts(let new):
            if new != facts, link?.peer != nil { link?.heartbeatDue = true }
            facts = new
            return []
        case .timer: return timer(at: now)
        }
    }

    private mutating func disconnected(at now: Instant) -> [PeerAction] {
        guard let old = link else { return [] }
        link = nil
        peerFacts = nil
        continueAt = nil
        guard old.peer != nil else { return [] }
        for table in tables {
            for shard in 0..<table.shardCount { table.withShard(shard) { $0.peerLinkDown(at: now) } }
        }
        return old.isInSync ? [.inSync(false), .down] : [.down]
    }

    private mutating func timer(at now: Instant) -> [PeerAction] {
        guard let current = link, !current.isClosing else { return [] }
        if current.peer == nil {
            return now >= current.openedAt + settings.helloTimeout ? refuse(.helloTimeout) : []
        }
        if now >= current.heardAt + silence { return refuse(.silent) }
        if now >= current.heartbeatAt {
            link?.heartbeatDue = true
            link?.heartbeatAt = now + settings.heartbeat
        }
        for index in tables.indices {
            if case .done(let time) = current.tables[index].pull, now >= time + settings.antiEntropy {
                link?.tables[index].pull = .needed
            }
        }
        return []
    }

    /// Gives the link up.
    mutating func refuse(_ reason: PeerRefusal) -> [PeerAction] {
        link?.isClosing = true
        continueAt = nil
        counters.refusals[reason.label, default: 0] += 1
        return [.close(reason)]
    }

    // MARK: Queries

    /// When the shell hands in ``PeerEvent/timer`` next and pulls frames.
    package var nextDeadline: Instant? {
        guard let link, !link.isClosing else { return nil }
        if link.peer == nil { return link.openedAt + settings.helloTimeout }
        var deadline = min(link.heardAt + silence, link.heartbeatAt)
        if let continueAt { deadline = min(deadline, continueAt) }
        for table in link.tables {
            if case .done(let time) = table.pull { deadline = min(deadline, time + settings.antiEntropy) }
        }
        return deadline
    }

    /// The peer's name is known and the link stands.
    package var isUp: Bool { link?.peer != nil && link?.isClosing == false }

    /// This node holds all entries its peer had.
    package var isInSync: Bool { link?.isInSync ?? false }

    /// What the peer does not have yet.
    package struct Lag: Hashable, Sendable {
        /// Updates not acknowledged, superseded ones included.
        package var updates: UInt64
        /// How long the oldest frame has waited for its acknowledgement.
        package var age: Duration
    }

    /// What the peer does not have yet; while the link is down it grows with every write.
    package func lag(at now: Instant) -> Lag {
        var updates: UInt64 = 0
        for (index, table) in tables.enumerated() {
            for shard in 0..<table.shardCount {
                table.withShard(shard) { updates += $0.lastUpdate - min($0.lastUpdate, acked[index][shard]) }
            }
        }
        return Lag(updates: updates, age: link?.inFlight.first.map { now - $0.sentAt } ?? .zero)
    }

    private var silence: Duration {
        max(settings.timeout, .milliseconds(3 * Int64(link?.peer?.heartbeat ?? 0)))
    }
}
