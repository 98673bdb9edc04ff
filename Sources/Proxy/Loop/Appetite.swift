// How many events a loop takes in one turn.

/// As many events as keep a turn short, whatever they cost: bytes of a session that are passed on cost a few microseconds, a
/// CONNECT or the end of a session ten times that.
///
/// Deadlines, commands and new connections wait for the end of a turn. What is not taken is told first in the next one, so nobody
/// is passed over.
struct Appetite {
    /// A turn shorter than this, in nanoseconds, in which all was taken that could be, leads to twice as many events in the next one.
    static let short: Int64 = 500_000
    /// A turn longer than this leads to half as many.
    static let long: Int64 = 1_000_000
    /// Events that are taken always.
    static let least = 32

    /// Most events of the next turn.
    private(set) var events = Appetite.least
    private let most: Int

    /// - Parameter most: events that there is memory for, ``least`` or more.
    init(most: Int) {
        precondition(most >= Self.least, "no memory for the events")
        self.most = most
    }

    /// A turn is over that served so many events in so many nanoseconds.
    @inline(__always)
    mutating func digest(_ served: Int, took length: Int64) {
        if length > Self.long {
            events = max(Self.least, events / 2)
        } else if served == events, length < Self.short {
            events = min(most, events * 2)
        }
    }
}
