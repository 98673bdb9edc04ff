// How often a server is checked, and how many results change the mind about it.

/// The numbers of a health check, in HAProxy's words.
package struct CheckSettings: Hashable, Sendable {
    /// Longest wait between the end of one check and the start of the next while the server is plainly up or down;
    /// more than zero.
    package let interval: Duration
    /// The same while the verdict is open (first result awaited, going up, going down, busy); at most ``interval``.
    /// It is also the shortest time between two checks, whoever asks for one.
    package let fastInterval: Duration
    /// Good checks in a row that bring a server that is down up; at least 1.
    package let rise: Int
    /// Failed checks in a row that take a server that is up down; at least 1.
    package let fall: Int

    /// Up to this share of a wait, in percent, is cut off at random, so that checks of many servers spread by
    /// themselves.
    package static let jitterPercent = 10
    /// First checks of all servers are spread over this time: soon, because an address waits for them.
    package static let startSpread: Duration = .milliseconds(100)

    /// - Parameter fastInterval: `nil` for a quarter of `interval`.
    package init(
        interval: Duration = .seconds(2), fastInterval: Duration? = nil, rise: Int = 2, fall: Int = 3
    ) {
        precondition(interval > .zero && rise >= 1 && fall >= 1)
        self.interval = interval
        self.fastInterval = min(interval, max(fastInterval ?? interval / 4, .milliseconds(1)))
        self.rise = rise
        self.fall = fall
    }
}
