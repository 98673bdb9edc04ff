// What the threads of a generator and the one that leads them tell each other.

import Synchronization
import TLS

/// The leader writes phase and allowance; the loops write how far they are.
final class LoadShared: Sendable {
    /// What the loops do.
    enum Phase: Int {
        /// Sessions come up.
        case opening
        /// The load runs; nothing is recorded.
        case warmUp
        case measuring
        case over
    }

    private let phaseNumber = Atomic<Int>(0)
    /// Sessions that may be begun, of all loops together.
    let allowed = Atomic<Int>(0)
    /// Sessions that are up.
    let up = Atomic<Int>(0)
    /// Sessions that came back in a storm.
    let returned = Atomic<Int>(0)
    /// Attempts that failed, whatever the phase.
    let failures = Atomic<Int>(0)
    /// The first session, once it can be resumed.
    private let ticket = Mutex<TLSResumption?>(nil)

    var phase: Phase {
        get { Phase(rawValue: phaseNumber.load(ordering: .acquiring)) ?? .over }
        set { phaseNumber.store(newValue.rawValue, ordering: .releasing) }
    }

    var resumption: TLSResumption? { ticket.withLock { $0 } }

    /// Keeps the first that comes.
    func offer(_ resumption: TLSResumption) { ticket.withLock { if $0 == nil { $0 = resumption } } }
}

/// What one loop has measured.
struct LoadTally: Sendable {
    /// Questions answered, messages sent, or connections made, while measuring.
    var count: UInt64 = 0
    /// Bytes of PUBLISH streams sent while measuring.
    var bytes: UInt64 = 0
    var durations = Histogram()
    /// From the start of a connection to its CONNACK, outside of `connect` and `storm`.
    var openings = Histogram()
    /// Sessions that ended before they were asked to.
    var lost = 0
    /// TLS sessions that were resumed, and those that offered to be and were not.
    var resumed = 0
    var notResumed = 0
    /// Failures by their reasons; at most ``maximumReasons``.
    var failures: [String: Int] = [:]

    static let maximumReasons = 32

    mutating func fail(_ reason: String) {
        let key = failures[reason] != nil || failures.count < Self.maximumReasons ? reason : "other"
        failures[key, default: 0] += 1
    }

    mutating func merge(_ other: LoadTally) {
        count += other.count
        bytes += other.bytes
        durations.merge(other.durations)
        openings.merge(other.openings)
        lost += other.lost
        resumed += other.resumed
        notResumed += other.notResumed
        for (reason, number) in other.failures { failures[reason, default: 0] += number }
    }
}
