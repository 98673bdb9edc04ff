// Where the records go.

import Linux

/// The writer's end of the log.
package enum LogSink: Sendable, Hashable {
    /// Lines with the time, for people and files.
    case lines(descriptor: Int32)
    /// Lines with a priority in front, for a service manager that reads standard error.
    case prefixedLines(descriptor: Int32)
    /// The journal's own socket, which keeps the fields apart.
    case journal(path: String)

    private static let standardError: Int32 = 2
    private static let journalPath = "/run/systemd/journal/socket"

    /// Standard error, in the form its reader understands.
    package static var toStandardError: LogSink {
        ProcessSelf.environment("JOURNAL_STREAM") == nil
            ? .lines(descriptor: standardError) : .prefixedLines(descriptor: standardError)
    }

    /// The journal of this host.
    package static var toJournal: LogSink { .journal(path: journalPath) }

    /// Writes one record, waiting for the reader where it must. When the journal is not there the record goes to standard
    /// error; when that is gone too there is nobody to tell.
    func write(_ record: LogRecord, process: String) {
        switch self {
        case .lines(let descriptor):
            try? Descriptor.writeAll(descriptor, Array(record.line(process: process).utf8))
        case .prefixedLines(let descriptor):
            try? Descriptor.writeAll(descriptor, Array(record.prefixedLine(process: process).utf8))
        case .journal(let path):
            do {
                try UnixDatagram.send(record.journalDatagram(process: process, pid: ProcessSelf.pid), to: path)
            } catch {
                Self.toStandardError.write(record, process: process)
            }
        }
    }
}
