// Where the records go.

import Linux

/// One way out of the log.
package enum LogSink: Sendable, Hashable {
    /// Lines with the time, for people and files.
    case lines(descriptor: Int32)
    /// Lines with a priority in front, for a service manager that reads standard error.
    case prefixedLines(descriptor: Int32)
    /// The journal's own socket, which keeps the fields apart.
    case journal(path: String)
    /// A syslog server.
    case syslog(SyslogSink)

    private static let standardError: Int32 = 2
    private static let journalPath = "/run/systemd/journal/socket"

    /// Standard error, in the form its reader understands.
    package static var toStandardError: LogSink {
        ProcessSelf.environment("JOURNAL_STREAM") == nil
            ? .lines(descriptor: standardError) : .prefixedLines(descriptor: standardError)
    }

    /// The journal of this host.
    package static var toJournal: LogSink { .journal(path: journalPath) }
}

/// A sink, and what it takes.
package struct LogTarget: Sendable, Hashable {
    package var sink: LogSink
    /// The least severe records it takes; `nil`: those of the log's own level.
    package var level: LogLevel?

    package init(_ sink: LogSink, level: LogLevel? = nil) {
        self.sink = sink
        self.level = level
    }
}
