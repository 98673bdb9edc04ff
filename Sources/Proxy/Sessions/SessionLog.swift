// The way of session records from the loops to the log's writer.

import Configuration
import Synchronization
import Telemetry

/// Keeps each loop's records until the log's writer fetches them.
///
/// A loop puts a record into a ring of its own, whose lock it only tries for: a writer that is slow, because a disk or a
/// pipe is, costs records, which are counted, and never time.
final class SessionLog: Sendable {
    /// Records of one loop that wait for the writer.
    static let capacity = 4096
    /// How often a loop tries for the lock, which the writer holds for as long as it takes to swap an array.
    private static let tries = 200

    /// A class, because a lock cannot be moved.
    private final class Ring: Sendable {
        let records = Mutex<[SessionRecord]>([])
    }

    private let rings: [Ring]
    private let format = Mutex(Configuration.LogSettings.SessionFormat.fields)
    private let wake: @Sendable () -> Void

    /// - Parameters:
    ///   - loops: How many loops will write.
    ///   - wake: Called when a record waits where none did.
    init(loops: Int, wake: @escaping @Sendable () -> Void) {
        rings = (0..<loops).map { _ in Ring() }
        self.wake = wake
    }

    /// A session log whose records are written by `log`.
    convenience init(loops: Int, writtenBy log: Log) {
        self.init(loops: loops, wake: { [weak log] in log?.wakeWriter() })
        log.attach { [weak self] in self?.fetch() ?? [] }
    }

    func setFormat(_ format: Configuration.LogSettings.SessionFormat) { self.format.withLock { $0 = format } }

    /// Takes a loop's record; `false` when there is no room for it, or the writer is at the ring for too long.
    func post(_ record: SessionRecord, loop: Int) -> Bool {
        guard rings.indices.contains(loop) else { return false }
        for _ in 0..<Self.tries {
            let stored = rings[loop].records.withLockIfAvailable { records -> (isStored: Bool, isFirst: Bool) in
                guard records.count < Self.capacity else { return (false, false) }
                records.append(record)
                return (true, records.count == 1)
            }
            guard let stored else { continue }
            if stored.isFirst { wake() }
            return stored.isStored
        }
        return false
    }

    /// Everything that waits, as the log writes it.
    func fetch() -> [LogRecord] {
        let format = format.withLock { $0 }
        return rings.flatMap { ring in
            let records = ring.records.withLock { records in
                defer { records = [] }
                return records
            }
            return records.map { $0.logRecord(format) }
        }
    }
}

/// What is written down about sessions, as a snapshot carries it to the loops.
struct SessionRecording: Sendable {
    let log: SessionLog
    /// One at the CONNACK too, not only at the end.
    let isWrittenAtConnack: Bool
    /// Also of clients that never sent a byte.
    let isWrittenWhenEmpty: Bool

    /// `nil` when nothing is to be written.
    init?(_ settings: Configuration.LogSettings, _ log: SessionLog?) {
        guard let log, settings.sessions != .off else { return nil }
        self.log = log
        isWrittenAtConnack = settings.sessions == .both
        isWrittenWhenEmpty = settings.logsEmptySessions
    }
}
