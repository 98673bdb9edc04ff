// Keeps a message that repeats from filling the log.

package import Wire

/// Admits so many records of one key in a window of time, and counts the rest.
package struct LogLimiter: Sendable {
    /// Which message a record is: the place in the program that writes it.
    package struct Key: Hashable, Sendable {
        private let file: String
        private let line: UInt

        package init(file: StaticString, line: UInt) {
            self.file = "\(file)"
            self.line = line
        }
    }

    /// Records of one key in one window.
    package static let burst = 20
    /// Length of a window.
    package static let window: Duration = .seconds(5)
    /// Keys remembered; the program has fewer places that log.
    package static let maximumKeys = 1024

    private struct Window {
        var start: Instant
        var count = 0
        var suppressed: UInt64 = 0
        var level: LogLevel
        var sentence: String
    }

    private var windows: [Key: Window] = [:]

    package init() {}

    /// Whether a record of this key may be written now.
    package mutating func admit(_ key: Key, _ level: LogLevel, _ sentence: @autoclosure () -> String, at now: Instant)
        -> Bool
    {
        guard var window = windows[key], now - window.start < Self.window else {
            // A window that ended with something suppressed is reported first, by ``expired(at:)``.
            if windows[key] == nil, windows.count >= Self.maximumKeys { return true }
            guard (windows[key]?.suppressed ?? 0) == 0 else {
                windows[key]?.suppressed += 1
                return false
            }
            windows[key] = Window(start: now, count: 1, level: level, sentence: sentence())
            return true
        }
        guard window.count < Self.burst else {
            window.suppressed += 1
            windows[key] = window
            return false
        }
        window.count += 1
        windows[key] = window
        return true
    }

    /// When something suppressed may have to be reported; `nil` while no window is full.
    package var nextDeadline: Instant? {
        windows.values.filter { $0.count >= Self.burst }.map { $0.start + Self.window }.min()
    }

    /// The messages whose window has ended with something suppressed, which begins anew.
    package mutating func expired(at now: Instant) -> [(level: LogLevel, sentence: String, suppressed: UInt64)] {
        var reports: [(LogLevel, String, UInt64)] = []
        for (key, window) in windows where now - window.start >= Self.window {
            windows[key] = nil
            if window.suppressed > 0 { reports.append((window.level, window.sentence, window.suppressed)) }
        }
        return reports
    }
}
