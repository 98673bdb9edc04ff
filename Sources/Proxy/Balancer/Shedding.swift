// Sessions of a server closed at a rate.

import Balancing
import Wire

/// A drain in progress: at most `rate` sessions a second leave the server.
struct Shedding {
    let server: ServerPlace
    var bucket: TokenBucket

    /// - Parameter rate: sessions a second.
    init(server: ServerPlace, rate: Int, at now: Instant) {
        self.server = server
        bucket = TokenBucket(rate: rate, burst: max(1, rate / 10), at: now)
    }

    /// How many sessions may be closed now, at most `most`.
    mutating func take(most: Int, at now: Instant) -> Int {
        var taken = 0
        while taken < most, bucket.take(at: now) { taken += 1 }
        return taken
    }
}
