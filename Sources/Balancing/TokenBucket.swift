// A rate with a bounded burst: connect rates, drain rates.

package import Wire

/// A token bucket: `rate` tokens a second flow in, at most `burst` are kept, each permitted thing takes one.
///
/// Exact in integers (no drift at any rate), plain data, no timer: it is refilled when it is asked.
package struct TokenBucket: Hashable, Sendable {
    /// Tokens a second and the largest burst that a bucket can have.
    package static let range = 1...1_000_000

    /// Tokens a second, within ``range``.
    package let rate: Int
    /// Most tokens kept, within ``range``.
    package let burst: Int
    /// Times ``take(at:)`` said no.
    package private(set) var refusals: UInt64 = 0
    /// In billionths of a token, so that one nanosecond brings exactly `rate` of them.
    private var credit: Int64
    private var refilled: Instant

    private static let token: Int64 = 1_000_000_000

    /// A full bucket.
    ///
    /// - Parameters:
    ///   - rate: Tokens a second, within ``range``.
    ///   - burst: Most tokens kept, within ``range``.
    package init(rate: Int, burst: Int, at now: Instant) {
        precondition(TokenBucket.range.contains(rate) && TokenBucket.range.contains(burst))
        self.rate = rate
        self.burst = burst
        credit = Int64(burst) * TokenBucket.token
        refilled = now
    }

    /// Takes one token when there is one.
    ///
    /// - Returns: Whether the thing asked for may happen now.
    package mutating func take(at now: Instant) -> Bool {
        refill(at: now)
        guard credit >= TokenBucket.token else {
            refusals += 1
            return false
        }
        credit -= TokenBucket.token
        return true
    }

    /// The earliest instant at which ``take(at:)`` says yes: `now` when there is a token.
    package mutating func nextToken(at now: Instant) -> Instant {
        refill(at: now)
        let missing = TokenBucket.token - credit
        guard missing > 0 else { return now }
        return now + .nanoseconds((missing + Int64(rate) - 1) / Int64(rate))
    }

    private mutating func refill(at now: Instant) {
        guard now > refilled else { return }
        let full = Int64(burst) * TokenBucket.token
        // The time to fill an empty bucket bounds the product below 10^15 + 10^6.
        let elapsed = min((now - refilled).nanoseconds, full / Int64(rate) + 1)
        credit = min(full, credit + elapsed * Int64(rate))
        refilled = now
    }
}
