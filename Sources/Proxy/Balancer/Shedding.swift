// Sessions of a server closed at a rate.

import Balancing
import Wire

/// A drain in progress: at most `rate` sessions a second leave the server.
struct Shedding {
    /// Whose sessions they are: its place may be given to another one when they are gone.
    private let server: Server.Settings
    var bucket: TokenBucket
    /// What loops had no sessions for: other loops get it in the next round.
    let unspent = Gauge()
    /// The loop that is asked first in the next round.
    private var turn = 0

    /// - Parameter rate: sessions a second.
    init(of server: Server.Settings, rate: Int, at now: Instant) {
        self.server = server
        bucket = TokenBucket(rate: rate, burst: max(1, rate / 10), at: now)
    }

    /// Whether it is this server's sessions that are closed.
    func isFor(_ other: Server) -> Bool { other.settings.isSameServer(as: server) }

    /// How many sessions may be closed now, at most `most`.
    mutating func take(most: Int, at now: Instant) -> Int {
        let left = unspent.value
        unspent.add(-left)
        var taken = min(left, most)
        while taken < most, bucket.take(at: now) { taken += 1 }
        return taken
    }

    /// Shares a number of closings among the loops, beginning with another one each time: one session in a round would
    /// else always be the first loop's.
    mutating func share(_ count: Int, among loops: Int) -> [(loop: Int, most: Int)] {
        precondition(count > 0 && loops > 0)
        let share = (count + loops - 1) / loops
        var parts: [(loop: Int, most: Int)] = []
        var rest = count
        while rest > 0 {
            parts.append((turn % loops, min(share, rest)))
            turn = (turn + 1) % loops
            rest -= share
        }
        return parts
    }
}
