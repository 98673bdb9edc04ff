// The link between the two nodes: sockets, TLS and timers around the pure peer session.

import Configuration
import Linux
import Replication
import TLS
import Telemetry
import Wire

/// Keeps one authenticated connection to the peer, and this node's stick tables and the peer's the same.
///
/// The node whose name comes first dials, the other listens: there is never a second connection that has to be chosen
/// from, and after a cut exactly one side acts. Everything happens on the loop's thread. What there is to send stays in
/// the tables until the kernel takes it (``PeerSession``); this side holds at most one batch of frames.
///
/// Its owner calls ``close()`` before letting go of it. The process ignores SIGPIPE: a peer that is gone shows as an
/// errno.
final class PairLink {
    /// How long a connection and its handshake may take.
    static let handshakeTimeout: Duration = .seconds(1)
    /// How long a node without a link waits for its peer before it counts itself as in sync, being alone.
    static let aloneAfter: Duration = .seconds(3)
    /// Most inbound connections that have not proved the secret yet.
    static let maximumHandshakes = 4
    /// Bytes of frames handed to TLS at a time; one frame may go beyond.
    static let batch = 65_536
    /// Batches of one turn, so that a resynchronisation does not keep the main thread from its other work.
    static let batchesPerTurn = 8
    /// How long to wait before trying to listen again.
    static let listenAgain: Duration = .seconds(1)

    /// Why the link is not there, last of all.
    struct LastError {
        var failure: PairLinkFailure
        var time: Instant
    }

    let loop: EventLoop
    let log: Log?
    let local: Configuration.Node
    let peer: Configuration.Node
    let port: UInt16
    let facts: () -> NodeFacts
    let context: TLSContext
    /// Whether this side dials.
    let dials: Bool
    let settings: PeerSession.Settings

    /// Called when ``isLinked``, ``isInSync`` or ``peerFacts`` may have changed.
    var changed: (() -> Void)?

    var session: PeerSession
    /// The tables in force.
    var tables: [any ReplicatedTable]
    /// Counters of sessions with other tables, before ``replaceTables(_:)``.
    var formerCounters = PeerCounters()
    var listener: FileDescriptor?
    /// Connections that have not proved the secret yet: the one dialled, or a few that came in.
    var handshakes: [PairConnection] = []
    var established: PairConnection?
    var backoff: PairLinkBackoff
    var isStarted = false

    var retryTimer: EventLoop.Timer?
    var aloneTimer: EventLoop.Timer?
    var sessionTimer: (timer: EventLoop.Timer, deadline: Instant)?
    var handshakeTimer: EventLoop.Timer?
    /// What each registered descriptor waits for.
    var interests: [Int32: EventLoop.Readiness] = [:]

    var lastError: LastError?
    /// The failure in the log; the same again is only counted, until the link stood.
    var reported: PairLinkFailure?
    var failures: [String: UInt64] = [:]
    /// Tables that are not replicated on this link, and why.
    var refusedTables: [(name: String, reason: PeerAction.TableRefusal)] = []
    /// This node has held all the peer had, at least once since it started.
    var wasInSync = false
    /// When the peer last said something else about itself.
    var peerFactsSince = Instant.zero
    /// Since when there has been no link; `nil` while there is one.
    var unlinkedSince: Instant?

    /// - Parameters:
    ///   - tables: the tables that replicate, names all different; beyond ``LinkLimit/tables`` they do not.
    ///   - facts: what this node says about itself; asked on ``factsChanged()``.
    /// - Throws: `library`.
    init(
        on loop: EventLoop, log: Log?, local: Configuration.Node, peer: Configuration.Node, port: UInt16,
        secret: PairSecret, tables: [any ReplicatedTable], facts: @escaping () -> NodeFacts
    ) throws(TLSError) {
        precondition(local.name != peer.name, "a node is not its own peer")
        self.loop = loop
        self.log = log
        self.local = local
        self.peer = peer
        self.port = port
        self.facts = facts
        let dials = local.name < peer.name
        self.dials = dials
        let key = try PresharedKey(
            secret, client: dials ? local.name : peer.name, server: dials ? peer.name : local.name)
        context = try TLSContext(presharedKey: key, role: dials ? .client : .server)
        let instance = UInt64.random(in: .min ... .max)
        settings = PeerSession.Settings(name: local.name, instance: instance, peer: peer.name)
        self.tables = Array(tables.prefix(LinkLimit.tables))
        session = PeerSession(settings: settings, tables: self.tables)
        backoff = PairLinkBackoff(seed: instance)
    }

    // MARK: Life

    /// Begins to dial or to listen; what fails is tried again.
    func start() {
        guard !isStarted else { return }
        isStarted = true
        _ = session.handle(.facts(facts()), at: Clock.now)
        startWaitingAlone()
        if dials { dial() } else { listen() }
    }

    /// Says goodbye and forgets everything but the counters.
    func close() {
        guard isStarted else { return }
        isStarted = false
        stopListening()
        dropHandshakes()
        endLink()
        for timer in [retryTimer, aloneTimer, handshakeTimer, sessionTimer?.timer] { loop.cancel(timer) }
        retryTimer = nil
        aloneTimer = nil
        handshakeTimer = nil
        sessionTimer = nil
    }

    // MARK: News from the rest of the process

    /// The loops changed tables: sends what the connection takes now.
    func tablesChanged() { pump() }

    /// What this node says about itself changed.
    func factsChanged() {
        perform(session.handle(.facts(facts()), at: Clock.now))
        pump()
    }

    /// Puts other tables in force, as after a reload; the link is made anew, because its tables are told only at its
    /// beginning. Nothing happens when they are the ones in force.
    func replaceTables(_ tables: [any ReplicatedTable]) {
        let tables = Array(tables.prefix(LinkLimit.tables))
        if tables.count == self.tables.count, zip(tables, self.tables).allSatisfy({ $0 === $1 }) { return }
        self.tables = tables
        endLink()
        formerCounters = formerCounters + session.counters
        session = PeerSession(settings: settings, tables: tables)
        refusedTables = []
        guard isStarted else { return }
        _ = session.handle(.facts(facts()), at: Clock.now)
        if dials, handshakes.isEmpty { dialSoon() }
    }
}
