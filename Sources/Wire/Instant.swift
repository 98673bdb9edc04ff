// A point in time that every state machine is given, and never takes.

/// A point on the machine's monotonic clock (`CLOCK_MONOTONIC`): nanoseconds since boot.
///
/// Pure code receives instants from its caller and never asks for one, so that tests own time. Plain data: it may be
/// stored in shared memory and is still right after a restart of the process on the same boot.
package struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since boot; never negative in practice.
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The beginning of time; tests start here.
    package static let zero = Instant(nanoseconds: 0)
    /// Later than everything: a deadline that never comes.
    package static let distantFuture = Instant(nanoseconds: .max)

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The instant `duration` after `instant`; saturates at `distantFuture`.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    package static func - (instant: Instant, duration: Duration) -> Instant {
        let (difference, overflow) = instant.nanoseconds.subtractingReportingOverflow(duration.nanoseconds)
        return overflow ? .zero : Instant(nanoseconds: difference)
    }

    /// How long after `b` the instant `a` is; negative when it is before.
    package static func - (a: Instant, b: Instant) -> Duration {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return .nanoseconds(overflow ? Int64.max : difference)
    }

    package static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
}

extension Duration {
    /// The whole duration in nanoseconds; saturates at ±292 years.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        if overflow2 { return seconds < 0 ? .min : .max }
        return sum
    }

    /// The whole duration in milliseconds, rounded towards zero.
    package var wholeMilliseconds: Int64 { nanoseconds / 1_000_000 }

    /// The duration as people write it: `100ms`, `2s`, `1m30s`, `250us`.
    package var text: String {
        var rest = nanoseconds
        if rest < 0 { return "-" + Duration.nanoseconds(-max(rest, -Int64.max)).text }
        if rest == 0 { return "0s" }
        if rest < 1_000_000 { return rest % 1000 == 0 ? "\(rest / 1000)us" : "\(rest)ns" }
        if rest < 1_000_000_000 {
            let us = rest / 1000
            if us % 1000 == 0 { return "\(us / 1000)ms" }
            return "\(us / 1000).\(Duration.fraction(us % 1000))ms"
        }
        var text = ""
        let units: [(String, Int64)] = [("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000)]
        for (unit, size) in units where rest >= size {
            text += "\(rest / size)\(unit)"
            rest %= size
        }
        let ms = rest / 1_000_000
        if ms == 0 { return text.isEmpty ? "0s" : text }
        text += ms % 1000 == 0 ? "\(ms / 1000)s" : "\(ms / 1000).\(Duration.fraction(ms % 1000))s"
        return text
    }

    /// Thousandths as digits behind a point, without trailing zeros.
    private static func fraction(_ thousandths: Int64) -> String {
        var digits = String(thousandths)
        while digits.utf8.count < 3 { digits = "0" + digits }
        while digits.hasSuffix("0") { digits.removeLast() }
        return digits
    }
}
