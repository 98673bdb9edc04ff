// How important a log record is.

/// Severity of a record, with the numbers of syslog (RFC 5424, 6.2.1).
package enum LogLevel: Int, Hashable, Comparable, Sendable, CaseIterable {
    /// Something does not work, and somebody has to look.
    case error = 3
    /// Something may stop working.
    case warning = 4
    /// The state changed: roles, servers, configuration.
    case notice = 5
    /// What clients and peers do; always rate-limited.
    case info = 6
    case debug = 7

    package var name: String {
        switch self {
        case .error: "error"
        case .warning: "warning"
        case .notice: "notice"
        case .info: "info"
        case .debug: "debug"
        }
    }

    /// A smaller level is a more detailed one.
    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue > b.rawValue }
}
