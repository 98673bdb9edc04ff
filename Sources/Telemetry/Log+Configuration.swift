// The log as the configuration wants it.

package import Configuration
import Linux

extension Log {
    /// The socket of this host's own syslog.
    private static let localSyslog = "/dev/log"

    /// Writes from now on what the settings ask for, and where.
    package func adopt(_ settings: Configuration.LogSettings) {
        setTargets(
            settings.targets.map { target in
                LogTarget(Self.sink(target), level: target.level.map(LogLevel.init))
            })
        setLevel(LogLevel(settings.level))
    }

    private static func sink(_ target: Configuration.LogSettings.Target) -> LogSink {
        let format: SyslogSink.Format = target.format == .rfc3164 ? .rfc3164 : .rfc5424
        switch target.destination {
        case .standardError: return .toStandardError
        case .journal: return .toJournal
        case .syslog(let address):
            return .syslog(SyslogSink(.udp(address), facility: target.facility.rawValue, format: format))
        case .localSyslog:
            return .syslog(
                SyslogSink(.socket(path: localSyslog), facility: target.facility.rawValue, format: format))
        }
    }
}

extension LogLevel {
    /// The log's own word for a level of the configuration.
    package init(_ level: Configuration.LogSettings.Level) {
        switch level {
        case .error: self = .error
        case .warning: self = .warning
        case .notice: self = .notice
        case .info: self = .info
        case .debug: self = .debug
        }
    }
}
