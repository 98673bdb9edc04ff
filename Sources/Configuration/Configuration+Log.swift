// Where log records go, and which sessions are written down: as values.

package import Wire

extension Configuration {
    /// `log { to …; level L; sessions …; session-format …; empty … }`.
    package struct LogSettings: Hashable, Sendable {
        /// The least severe records that are written, with syslog's numbers (RFC 5424, 6.2.1).
        package enum Level: Int, Hashable, Comparable, Sendable, CaseIterable {
            case error = 3
            case warning = 4
            case notice = 5
            case info = 6
            case debug = 7

            package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
        }

        /// Syslog's facilities; the raw value is the number on the wire (RFC 5424, table 1).
        package enum Facility: Int, Hashable, Sendable, CaseIterable {
            case kern, user, mail, daemon, auth, syslog, lpr, news, uucp, cron, authpriv, ftp
            case local0 = 16
            case local1, local2, local3, local4, local5, local6, local7
        }

        /// How a record looks on the way to a syslog server.
        package enum SyslogFormat: String, Hashable, Sendable, CaseIterable { case rfc3164, rfc5424 }

        /// `to …`: one place where records go.
        package struct Target: Hashable, Sendable {
            /// What takes the records.
            package enum Destination: Hashable, Sendable {
                case standardError, journal
                /// A syslog server, by UDP.
                case syslog(SocketAddress)
                /// The syslog socket of this host, `/dev/log`.
                case localSyslog
            }

            package var destination: Destination
            /// For syslog only.
            package var facility: Facility = .daemon
            /// For syslog only.
            package var format: SyslogFormat = .rfc3164
            /// The least severe records it takes; `nil`: those of ``LogSettings/level``.
            package var level: Level?

            package init(_ destination: Destination) { self.destination = destination }
        }

        /// Which records are written about each session.
        package enum Sessions: String, Hashable, Sendable, CaseIterable {
            case off
            /// One when it has ended.
            case end
            /// One when its CONNACK has come, and one when it has ended.
            case both
        }

        /// How a session's record looks.
        package enum SessionFormat: String, Hashable, Sendable, CaseIterable { case fields, tcplog, json }

        /// In the order of the file; empty in a configuration nobody has completed.
        package var targets: [Target] = []
        package var level: Level = .info
        package var sessions: Sessions = .off
        package var sessionFormat: SessionFormat = .fields
        /// Whether sessions are written down whose client never sent a byte.
        package var logsEmptySessions = false

        package init() {}
    }
}
