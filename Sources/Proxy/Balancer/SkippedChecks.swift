// When checks that cannot be made are told to the operator.

import Wire

/// Checks of one backend that could not be made for want of something of our own.
///
/// The first is told at once; while it goes on, how many there were once in ``pause``.
struct SkippedChecks {
    /// The time between two records in the log.
    static let pause: Duration = .seconds(60)

    private var untold = 0
    private var toldAt: Instant?

    /// One more.
    ///
    /// - Returns: how many to tell of now; `nil`: none yet.
    mutating func skipped(at now: Instant) -> Int? {
        untold += 1
        if let toldAt, now - toldAt < Self.pause { return nil }
        defer { untold = 0 }
        toldAt = now
        return untold
    }
}
