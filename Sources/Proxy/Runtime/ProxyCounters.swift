// What the loops count; any thread may read.

import MQTT
import ProxyProtocol
import Synchronization
import Wire

/// What happened, as counters of one loop or of all.
enum ProxyCounter: Int, CaseIterable, Sendable {
    case accepted, established, closed
    case acceptRefusedByKernel
    case limitSessions, limitListener, limitChunks, limitClientIDs
    case tries, replays, connackRefused, connackAnotherServer, connackMalformed
    case connectRefusedByKernel
    case connectFailed, connectTimeout, connackTimeout, serverClosedEarly
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

    /// The stable name: `stick-hits`.
    var name: String {
        switch self {
        case .accepted: "accepted"
        case .established: "established"
        case .closed: "closed"
        case .acceptRefusedByKernel: "accept-refused-by-kernel"
        case .limitSessions: "limit-sessions"
        case .limitListener: "limit-listener"
        case .limitChunks: "limit-chunks"
        case .limitClientIDs: "limit-client-ids"
        case .tries: "tries"
        case .replays: "replays"
        case .connackRefused: "connack-refused"
        case .connackAnotherServer: "connack-another-server"
        case .connackMalformed: "connack-malformed"
        case .connectRefusedByKernel: "connect-refused-by-kernel"
        case .connectFailed: "connect-failed"
        case .connectTimeout: "connect-timeout"
        case .connackTimeout: "connack-timeout"
        case .serverClosedEarly: "server-closed-early"
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
        }
    }
}

/// What a loop holds right now, stored at the end of each of its turns.
enum ProxyGauge: Int, CaseIterable, Sendable {
    /// Slots in use.
    case sessions
    /// Buffers in use; none when nothing is in flight.
    case chunks

    /// The stable name: `chunks-in-use`.
    var name: String {
        switch self {
        case .sessions: "sessions-open"
        case .chunks: "chunks-in-use"
        }
    }
}

/// Counters written by one loop and read by the status page.
final class ProxyCounters: Sendable {
    private let events: CounterArray
    private let gauges: CounterArray
    private let violations: CounterArray
    private let proxyViolations: CounterArray
    private let ends: CounterArray

    init() {
        events = CounterArray(ProxyCounter.allCases.count)
        gauges = CounterArray(ProxyGauge.allCases.count)
        violations = CounterArray(Violation.allCases.count)
        proxyViolations = CounterArray(ProxyViolation.allCases.count)
        ends = CounterArray(EndCause.allCases.count)
    }

    @inline(__always)
    func add(_ counter: ProxyCounter, _ amount: UInt64 = 1) { events.add(counter.rawValue, amount) }
    func add(_ violation: Violation) { violations.add(violation.rawValue, 1) }
    func add(_ violation: ProxyViolation) { proxyViolations.add(violation.rawValue, 1) }
    func add(_ cause: EndCause) { ends.add(cause.rawValue, 1) }

    @inline(__always)
    func set(_ gauge: ProxyGauge, _ value: Int) { gauges.set(gauge.rawValue, UInt64(value)) }

    subscript(_ counter: ProxyCounter) -> UInt64 { events[counter.rawValue] }
    subscript(_ gauge: ProxyGauge) -> UInt64 { gauges[gauge.rawValue] }
    subscript(_ violation: Violation) -> UInt64 { violations[violation.rawValue] }
    subscript(_ violation: ProxyViolation) -> UInt64 { proxyViolations[violation.rawValue] }
    subscript(_ cause: EndCause) -> UInt64 { ends[cause.rawValue] }

    /// The sum over loops, as the `counters` member of `status`; counters that are 0 are left out of the inner objects.
    static func json(_ all: [ProxyCounters]) -> JSON {
        func sum(_ value: (ProxyCounters) -> UInt64) -> UInt64 { all.reduce(0) { $0 + value($1) } }
        var members = ProxyCounter.allCases.map { counter in JSON.Member(counter.name, JSON(sum { $0[counter] })) }
        members += ProxyGauge.allCases.map { gauge in JSON.Member(gauge.name, JSON(sum { $0[gauge] })) }
        members.append(
            JSON.Member(
                "refusals",
                .object(
                    Violation.allCases.compactMap { violation in
                        let count = sum { $0[violation] }
                        return count == 0 ? nil : JSON.Member(violation.name, JSON(count))
                    })))
        members.append(
            JSON.Member(
                "proxy-refusals",
                .object(
                    ProxyViolation.allCases.compactMap { violation in
                        let count = sum { $0[violation] }
                        return count == 0 ? nil : JSON.Member(violation.name, JSON(count))
                    })))
        members.append(
            JSON.Member(
                "ends",
                .object(
                    EndCause.allCases.compactMap { cause in
                        let count = sum { $0[cause] }
                        return count == 0 ? nil : JSON.Member(cause.name, JSON(count))
                    })))
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
