// The log as the configuration wants it.

import Configuration
import Telemetry

extension Log {
    /// Writes from now on what the settings ask for, and where.
    func adopt(_ settings: Configuration.LogSettings) {
        setLevel(LogLevel(rawValue: settings.level.rawValue) ?? .info)
        setSink(settings.target == .journal ? .toJournal : .toStandardError)
    }
}
