// The log of a process: records formatted by whoever writes them, carried out by a thread of its own.

package import Linux
import Synchronization
import Wire

/// Where events are written down, without ever making the writer of an event wait.
///
/// The calling thread checks the level, formats the record and puts it into a bounded ring under a lock it only tries for;
/// one writer thread empties the ring into its targets. A disk or journal that stalls costs records, which are counted and
/// reported, never time. Who has many records of its own kind keeps a ring of its own and is asked for them
/// (``attach(_:)``).
package final class Log: Sendable {
    /// Records that wait for the writer.
    package static let capacity = 4096
    /// How often a caller tries for the lock: some tens of microseconds, where a holder keeps it for less than one.
    private static let tries = 2000

    private struct Ring {
        var records: [LogRecord] = []
        var limiter = LogLimiter()
    }

    /// Where records go, and from which level on where a target does not say.
    private struct Outfit {
        var targets: [LogTarget]
        var level: LogLevel
        /// Raised with each change of the targets.
        var version = 0
    }

    /// Gives the writer the records of somebody who keeps them himself.
    package typealias Source = @Sendable () -> [LogRecord]

    private let process: String
    /// The most detailed level any target takes.
    private let level: Atomic<Int>
    private let outfit: Mutex<Outfit>
    private let sources = Mutex<[Source]>([])
    private let ring = Mutex(Ring())
    private let wake: Bell
    private let lost = Atomic<UInt64>(0)
    private let undelivered = Atomic<UInt64>(0)
    private let isClosing = Atomic<Bool>(false)
    private let writer = Mutex<Thread?>(nil)

    /// - Parameter process: the role of this process, at the beginning of each record.
    package init(process: String, level: LogLevel = .info, sink: LogSink) throws(Errno) {
        self.process = process
        self.level = Atomic(level.rawValue)
        outfit = Mutex(Outfit(targets: [LogTarget(sink)], level: level))
        wake = try Bell()
    }

    /// Starts the writer thread. Privileges are dropped before this, for they belong to threads.
    package func start() throws(Errno) {
        let thread = try Thread(name: "log") { [self] in write() }
        writer.withLock { $0 = thread }
    }

    /// Writes what waits and ends the writer; later records are lost.
    package func close() {
        isClosing.store(true, ordering: .releasing)
        wake.ring()
        let thread = writer.withLock { writer in
            defer { writer = nil }
            return writer
        }
        thread?.join()
    }

    /// Records that were lost because the writer was too slow.
    package var lostRecords: UInt64 { lost.load(ordering: .relaxed) }

    /// Times a target did not take a record: its server is not there, or its reader does not read.
    package var undeliveredRecords: UInt64 { undelivered.load(ordering: .relaxed) }

    /// Records less severe than this are not written from now on, but where a target has a level of its own.
    package func setLevel(_ level: LogLevel) { change { $0.level = level } }

    /// Where records go from now on.
    package func setTargets(_ targets: [LogTarget]) {
        change { outfit in
            guard outfit.targets != targets else { return }
            outfit.targets = targets
            outfit.version += 1
        }
    }

    private func change(_ body: (inout Outfit) -> Void) {
        let most = outfit.withLock { outfit in
            body(&outfit)
            return outfit.targets.map { $0.level ?? outfit.level }.min() ?? outfit.level
        }
        // The smaller level is the more detailed one.
        level.store(most.rawValue, ordering: .relaxed)
    }

    /// Asks somebody for records each time the writer wakes; ``wakeWriter()`` wakes it.
    package func attach(_ source: @escaping Source) { sources.withLock { $0.append(source) } }

    /// Lets the writer ask its sources.
    package func wakeWriter() { wake.ring() }

    /// Whether records of this level are written.
    package func isEnabled(_ level: LogLevel) -> Bool { level.rawValue <= self.level.load(ordering: .relaxed) }

    // MARK: Writing events down

    /// Something failed that has to be seen to.
    package func error(
        _ sentence: @autoclosure () -> String, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:],
        file: StaticString = #fileID, line: UInt = #line
    ) { write(.error, sentence, fields, LogLimiter.Key(file: file, line: line)) }

    /// Something is not as it should be.
    package func warning(
        _ sentence: @autoclosure () -> String, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:],
        file: StaticString = #fileID, line: UInt = #line
    ) { write(.warning, sentence, fields, LogLimiter.Key(file: file, line: line)) }

    /// A state changed.
    package func notice(
        _ sentence: @autoclosure () -> String, _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:],
        file: StaticString = #fileID, line: UInt = #line
    ) { write(.notice, sentence, fields, LogLimiter.Key(file: file, line: line)) }

    /// Something ordinary happened.
    package func info(
        _ sentence: @autoclosure () -> String,
        _ fields: @autoclosure () -> KeyValuePairs<String, any CustomStringConvertible> = [:],
        file: StaticString = #fileID, line: UInt = #line
    ) {
        guard isEnabled(.info) else { return }
        write(.info, sentence, fields(), LogLimiter.Key(file: file, line: line))
    }

    /// What helps to find a fault.
    package func debug(
        _ sentence: @autoclosure () -> String,
        _ fields: @autoclosure () -> KeyValuePairs<String, any CustomStringConvertible> = [:],
        file: StaticString = #fileID, line: UInt = #line
    ) {
        guard isEnabled(.debug) else { return }
        write(.debug, sentence, fields(), LogLimiter.Key(file: file, line: line))
    }

    private func write(
        _ level: LogLevel, _ sentence: () -> String, _ fields: KeyValuePairs<String, any CustomStringConvertible>,
        _ key: LogLimiter.Key
    ) {
        guard isEnabled(level) else { return }
        let now = Clock.now
        let sentence = sentence()
        guard let admitted = attempt({ $0.limiter.admit(key, level, sentence, at: now) }) else {
            lost.add(1, ordering: .relaxed)
            return
        }
        guard admitted else { return }
        let record = LogRecord(level, at: Clock.wallMicroseconds, sentence, fields)
        let isStored = attempt { ring in
            guard ring.records.count < Self.capacity else { return false }
            ring.records.append(record)
            return true
        }
        if isStored == true { wake.ring() } else { lost.add(1, ordering: .relaxed) }
    }

    /// Uses the ring if its lock is free within a bounded number of tries.
    private func attempt(_ body: (inout sending Ring) -> Bool) -> Bool? {
        for _ in 0..<Self.tries {
            if let result = ring.withLockIfAvailable({ body(&$0) }) { return result }
        }
        return nil
    }

    // MARK: The writer thread

    private func write() {
        var reportedLost: UInt64 = 0
        var outlets: [LogOutlet] = []
        var version = -1
        var formerlyLost: UInt64 = 0
        while true {
            let isLast = isClosing.load(ordering: .acquiring)
            let outfit = outfit.withLock { $0 }
            if outfit.version != version {
                version = outfit.version
                formerlyLost += outlets.reduce(0) { $0 + $1.lost }
                // A target that stays keeps its socket and its count.
                let kept = outlets
                outlets = outfit.targets.map { target in
                    kept.first { $0.target == target } ?? LogOutlet(target, process: process)
                }
                formerlyLost -= outlets.reduce(0) { $0 + $1.lost }
            }
            func write(_ record: LogRecord) {
                for outlet in outlets where outlet.takes(record.level, logLevel: outfit.level) { outlet.write(record) }
            }
            let (records, reports, deadline) = ring.withLock { ring in
                let records = ring.records
                ring.records = []
                return (records, ring.limiter.expired(at: Clock.now), ring.limiter.nextDeadline)
            }
            for record in records { write(record) }
            for report in reports {
                var record = LogRecord(report.level, at: Clock.wallMicroseconds, report.sentence)
                record.add("suppressed", String(report.suppressed))
                write(record)
            }
            for source in sources.withLock({ $0 }) {
                for record in source() { write(record) }
            }
            let lost = lostRecords
            if lost != reportedLost {
                write(
                    LogRecord(
                        .warning, at: Clock.wallMicroseconds, "Log records were lost.", ["lost": lost - reportedLost]))
                reportedLost = lost
            }
            undelivered.store(formerlyLost + outlets.reduce(0) { $0 + $1.lost }, ordering: .relaxed)
            if isLast { return }
            wake.wait(until: deadline)
        }
    }
}
