// When a server's time is over.

/// Whether a server that has not answered in time may be judged.
///
/// A deadline is judged within milliseconds unless the loop or the whole machine stood still. Then nobody knows what the
/// server would have done: its answer may still be on the way to a host that was not there, and it gets more time.
enum ServerDeadline {
    /// How late a deadline is judged at most, in nanoseconds, by a loop that turns: a few ticks of the wheel, and a long turn.
    static let lateness: Int64 = 100_000_000
    /// What is added for a server whose deadline was judged later, in nanoseconds: a segment that was lost meanwhile is sent again
    /// after a second.
    static let grace: Int64 = 1_200_000_000

    /// Another deadline for the server; `nil`: its time is over.
    ///
    /// - Parameters:
    ///   - deadline: of the server, in nanoseconds as `now`; it has passed.
    ///   - now: when the loop's turn began.
    static func extended(_ deadline: Int64, at now: Int64) -> Int64? {
        now - deadline > lateness ? now + grace : nil
    }
}
