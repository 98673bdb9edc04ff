// What the loops count; any thread may read.

import MQTT
import ProxyProtocol
import Synchronization
import TLS
import WebSocket
import Wire

/// What happened, as counters of one loop or of all.
enum ProxyCounter: Int, CaseIterable, Sendable {
    case accepted, established, closed
    /// Times a listener with TLS had to wait because enough handshakes wait already.
    case acceptsPostponed
    /// Ends of sessions that had to wait, because ends had their part of a turn already.
    case endsPostponed
    case acceptRefusedByKernel
    case limitSessions, limitListener, limitChunks, limitClientIDs
    /// Bulk that had to be copied, because all pipes were lent or the kernel gave none; and bulk that got one.
    case limitPipes, splices
    /// Clients an access rule kept out.
    case accessDenied
    case limitSourceConnections, limitSourceRate, limitConnectRate, limitClientRate
    /// CONNECTs that had to wait because their client reconnects too often.
    case limitFlapping
    /// Such CONNECTs that were refused, because too many wait already.
    case limitHeld
    /// Connections refused without a word, because too many are being refused in words.
    case limitRefusing
    /// Records about sessions that were lost, because the log's writer was too slow.
    case sessionRecordsLost
    /// Refusals and DISCONNECTs of servers whose Server Reference was left out for the client; DISCONNECTs of which nothing but the
    /// reason was passed on, because they are malformed or longer than is looked at.
    case serverReferencesHidden, disconnectsUnreadable
    /// DISCONNECTs of servers that want no sessions now.
    case serversSentAway
    /// Sessions whose server has asked for authentication in several steps.
    case authentications
    case tries, replays, connackRefused, connackAnotherServer, connackMalformed
    case connectRefusedByKernel, sourcePortsExhausted
    case connectFailed, connectTimeout, connackTimeout, serverClosedEarly
    /// Servers that got more time because their deadline was looked at late: this host stood still.
    case serverDeadlinesLate
    case stickHits, stickMisses, stickMoved, stickRefused
    case bytesUp, bytesDown
    /// PROXY headers taken from trusted senders, those of their own checks (LOCAL), and connections from others that were
    /// refused for want of trust.
    case proxyAccepted, proxyLocal, proxyUntrusted
    /// Headers to servers: TLVs left out to keep them short, and sessions refused because none could be written.
    case proxyFieldsDropped, proxyUnwritable
    /// Clients without what their identity is made of, with something that is no identity, and original client IDs that
    /// found no room.
    case identityMissing, identityUnusable, limitOriginals
    case handshakes, handshakesFailed, handshakesPostponed, tlsTruncated
    /// Handshakes with more records or bytes than any needs.
    case limitHandshake
    /// Sessions whose records are ours since their handshake, those that stay with OpenSSL for want of an AEAD, and those
    /// that were closed because OpenSSL's state was not exactly known.
    case takeOvers, takeOversLeft, takeOversRefused
    /// New keys of the other side (RFC 8446, 4.6.3), and of ours.
    case keyUpdatesHeard, keyUpdatesSaid
    case upgrades
    /// Sessions of a stop or a hand-over: told so between two packets, closed there without a word, and cut inside one.
    case leftTold, leftSilent, leftCut
    case serverHandshakes, serverHandshakesFailed, serverUpgrades, serverUpgradesFailed
    /// Turns longer than ``Loop/Share/longTurn``; turns that began while handshakes waited, and those of them whose work
    /// took longer.
    case turnsLong, turnsCrowded, turnsCrowdedLong
    /// Sessions of a balancer that died: those that live on, those that had no CONNACK yet, those behind TLS or a
    /// WebSocket, those the configuration has no place for, those that made no sense, those that died of their end, and
    /// those that were in hand at two deaths.
    case inherited, inheritedBeginning, inheritedOpaque, inheritedHomeless, inheritedBroken, inheritedEnding
    case inheritedPoison
    /// Events of sessions that a former process was told of and had not served: served again.
    case inheritedEvents
    /// CONNECTs of clients that balancers died of.
    case poisonRefused

    /// The stable name: `stick-hits`.
    var name: String {
        switch self {
        case .accepted: "accepted"
        case .established: "established"
        case .closed: "closed"
        case .acceptsPostponed: "accepts-postponed"
        case .endsPostponed: "ends-postponed"
        case .acceptRefusedByKernel: "accept-refused-by-kernel"
        case .limitSessions: "limit-sessions"
        case .limitListener: "limit-listener"
        case .limitChunks: "limit-chunks"
        case .limitClientIDs: "limit-client-ids"
        case .limitPipes: "limit-pipes"
        case .splices: "splices"
        case .accessDenied: "access-denied"
        case .limitSourceConnections: "limit-source-connections"
        case .limitSourceRate: "limit-source-rate"
        case .limitConnectRate: "limit-connect-rate"
        case .limitClientRate: "limit-client-rate"
        case .limitFlapping: "limit-flapping"
        case .limitHeld: "limit-held"
        case .limitRefusing: "limit-refusing"
        case .sessionRecordsLost: "session-records-lost"
        case .serverReferencesHidden: "server-references-hidden"
        case .disconnectsUnreadable: "disconnects-unreadable"
        case .serversSentAway: "servers-sent-away"
        case .authentications: "authentications"
        case .tries: "tries"
        case .replays: "replays"
        case .connackRefused: "connack-refused"
        case .connackAnotherServer: "connack-another-server"
        case .connackMalformed: "connack-malformed"
        case .connectRefusedByKernel: "connect-refused-by-kernel"
        case .sourcePortsExhausted: "source-ports-exhausted"
        case .connectFailed: "connect-failed"
        case .connectTimeout: "connect-timeout"
        case .connackTimeout: "connack-timeout"
        case .serverClosedEarly: "server-closed-early"
        case .serverDeadlinesLate: "server-deadlines-late"
        case .stickHits: "stick-hits"
        case .stickMisses: "stick-misses"
        case .stickMoved: "stick-moved"
        case .stickRefused: "stick-refused"
        case .bytesUp: "bytes-up"
        case .bytesDown: "bytes-down"
        case .proxyAccepted: "proxy-accepted"
        case .proxyLocal: "proxy-local"
        case .proxyUntrusted: "proxy-untrusted"
        case .proxyFieldsDropped: "proxy-fields-dropped"
        case .proxyUnwritable: "proxy-unwritable"
        case .identityMissing: "identity-missing"
        case .identityUnusable: "identity-unusable"
        case .limitOriginals: "limit-originals"
        case .handshakes: "handshakes"
        case .handshakesFailed: "handshakes-failed"
        case .handshakesPostponed: "handshakes-postponed"
        case .tlsTruncated: "tls-truncated"
        case .limitHandshake: "limit-handshake"
        case .leftTold: "left-told"
        case .leftSilent: "left-silent"
        case .leftCut: "left-cut"
        case .takeOvers: "tls-records-taken-over"
        case .takeOversLeft: "tls-records-left"
        case .takeOversRefused: "tls-records-refused"
        case .keyUpdatesHeard: "tls-key-updates-heard"
        case .keyUpdatesSaid: "tls-key-updates-said"
        case .upgrades: "upgrades"
        case .serverHandshakes: "server-handshakes"
        case .serverHandshakesFailed: "server-handshakes-failed"
        case .serverUpgrades: "server-upgrades"
        case .serverUpgradesFailed: "server-upgrades-failed"
        case .turnsLong: "turns-long"
        case .turnsCrowded: "turns-crowded"
        case .turnsCrowdedLong: "turns-crowded-long"
        case .inherited: "inherited"
        case .inheritedBeginning: "inherited-beginning"
        case .inheritedOpaque: "inherited-opaque"
        case .inheritedHomeless: "inherited-homeless"
        case .inheritedBroken: "inherited-broken"
        case .inheritedEnding: "inherited-ending"
        case .inheritedPoison: "inherited-poison"
        case .inheritedEvents: "inherited-events"
        case .poisonRefused: "poison-refused"
        }
    }
}

/// What a loop holds right now, stored at the end of each of its turns.
enum ProxyGauge: Int, CaseIterable, Sendable {
    /// Slots in use.
    case sessions
    /// Buffers in use; none when nothing is in flight.
    case chunks
    /// Pipes that bulk goes through.
    case pipes
    /// Sessions of a balancer that died which cannot be kept, and wait for their turn to be closed.
    case orphaned
    /// The longest turn so far, and the most work in one that began while handshakes waited; microseconds.
    case longestTurn, longestCrowdedWork

    /// The stable name: `chunks-in-use`.
    var name: String {
        switch self {
        case .sessions: "sessions-open"
        case .chunks: "chunks-in-use"
        case .pipes: "pipes-in-use"
        case .orphaned: "sessions-closing"
        case .longestTurn: "longest-turn-us"
        case .longestCrowdedWork: "longest-crowded-work-us"
        }
    }

    /// Whether all loops together are as their highest, not as their sum.
    var isMaximum: Bool { self == .longestTurn || self == .longestCrowdedWork }
}

/// Counters written by one loop and read by the status page.
final class ProxyCounters: Sendable {
    private let events: CounterArray
    private let gauges: CounterArray
    private let violations: CounterArray
    private let proxyViolations: CounterArray
    private let ends: CounterArray
    private let upgradeRefusals: CounterArray
    private let frames: CounterArray
    private let records: CounterArray
    /// TLS errors by kind: of clients, then of servers.
    private let tlsErrors: CounterArray

    init() {
        events = CounterArray(ProxyCounter.allCases.count)
        gauges = CounterArray(ProxyGauge.allCases.count)
        violations = CounterArray(Violation.allCases.count)
        proxyViolations = CounterArray(ProxyViolation.allCases.count)
        ends = CounterArray(EndCause.allCases.count)
        upgradeRefusals = CounterArray(UpgradeRefusal.Reason.allCases.count)
        frames = CounterArray(FrameViolation.allCases.count)
        records = CounterArray(RecordViolation.allCases.count)
        tlsErrors = CounterArray(2 * TLSError.Kind.allCases.count)
    }

    @inline(__always)
    func add(_ counter: ProxyCounter, _ amount: UInt64 = 1) { events.add(counter.rawValue, amount) }
    func add(_ violation: Violation) { violations.add(violation.rawValue, 1) }
    func add(_ violation: ProxyViolation) { proxyViolations.add(violation.rawValue, 1) }
    func add(_ cause: EndCause) { ends.add(cause.rawValue, 1) }
    func add(_ reason: UpgradeRefusal.Reason) { upgradeRefusals.add(reason.rawValue, 1) }
    func add(_ violation: FrameViolation) { frames.add(violation.rawValue, 1) }
    func add(_ violation: RecordViolation) { records.add(violation.number, 1) }
    func add(_ kind: TLSError.Kind, client: Bool) { tlsErrors.add(Self.place(kind, client: client), 1) }

    private static func place(_ kind: TLSError.Kind, client: Bool) -> Int {
        let kinds = TLSError.Kind.allCases
        return (kinds.firstIndex(of: kind) ?? 0) + (client ? 0 : kinds.count)
    }

    @inline(__always)
    func set(_ gauge: ProxyGauge, _ value: Int) { gauges.set(gauge.rawValue, UInt64(value)) }

    /// A gauge that only its loop writes, when it is higher than before.
    @inline(__always)
    func raise(_ gauge: ProxyGauge, to value: Int64) {
        if value > Int64(gauges[gauge.rawValue]) { gauges.set(gauge.rawValue, UInt64(value)) }
    }

    subscript(_ counter: ProxyCounter) -> UInt64 { events[counter.rawValue] }
    subscript(_ gauge: ProxyGauge) -> UInt64 { gauges[gauge.rawValue] }
    subscript(_ violation: Violation) -> UInt64 { violations[violation.rawValue] }
    subscript(_ violation: ProxyViolation) -> UInt64 { proxyViolations[violation.rawValue] }
    subscript(_ cause: EndCause) -> UInt64 { ends[cause.rawValue] }
    subscript(_ reason: UpgradeRefusal.Reason) -> UInt64 { upgradeRefusals[reason.rawValue] }
    subscript(_ violation: FrameViolation) -> UInt64 { frames[violation.rawValue] }
    subscript(_ violation: RecordViolation) -> UInt64 { records[violation.number] }
    subscript(_ kind: TLSError.Kind, client client: Bool) -> UInt64 { tlsErrors[Self.place(kind, client: client)] }

    /// The sum over loops, as the `counters` member of `status`; counters that are 0 are left out of the inner objects.
    static func json(_ all: [ProxyCounters]) -> JSON {
        func sum(_ value: (ProxyCounters) -> UInt64) -> UInt64 { all.reduce(0) { $0 + value($1) } }
        var members = ProxyCounter.allCases.map { counter in JSON.Member(counter.name, JSON(sum { $0[counter] })) }
        members += ProxyGauge.allCases.map { gauge in
            JSON.Member(
                gauge.name, JSON(gauge.isMaximum ? all.map { $0[gauge] }.max() ?? 0 : sum { $0[gauge] }))
        }
        func counted<Key: CaseIterable>(_ title: String, _ name: (Key) -> String, _ value: (ProxyCounters, Key) -> UInt64) {
            let inner = Key.allCases.compactMap { key in
                let count = sum { value($0, key) }
                return count == 0 ? nil : JSON.Member(name(key), JSON(count))
            }
            members.append(JSON.Member(title, .object(inner)))
        }
        counted("refusals", \Violation.name) { $0[$1] }
        counted("proxy-refusals", \ProxyViolation.name) { $0[$1] }
        counted("upgrade-refusals", \UpgradeRefusal.Reason.name) { $0[$1] }
        counted("frame-violations", \FrameViolation.name) { $0[$1] }
        counted("tls-violations", \RecordViolation.rawValue) { $0[$1] }
        counted("tls-client-errors", \TLSError.Kind.rawValue) { $0[$1, client: true] }
        counted("tls-server-errors", \TLSError.Kind.rawValue) { $0[$1, client: false] }
        counted("ends", \EndCause.name) { $0[$1] }
        return .object(members)
    }
}

/// A fixed number of counters.
private final class CounterArray: Sendable {
    /// A class, because an atomic cannot be moved.
    private final class Cell: Sendable {
        let value = Atomic<UInt64>(0)
    }

    private let cells: [Cell]

    init(_ count: Int) { cells = (0..<count).map { _ in Cell() } }

    func add(_ index: Int, _ amount: UInt64) { cells[index].value.wrappingAdd(amount, ordering: .relaxed) }
    func set(_ index: Int, _ value: UInt64) { cells[index].value.store(value, ordering: .relaxed) }
    subscript(_ index: Int) -> UInt64 { cells[index].value.load(ordering: .relaxed) }
}
