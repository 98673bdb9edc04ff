// Rates are exact, bursts are bounded, and time that stands still or runs back brings nothing.

import Testing
import Wire

@testable import Balancing

@Suite struct TokenBucketTests {
    @Test func burstThenRate() {
        var bucket = TokenBucket(rate: 10, burst: 3, at: .zero)
        var now = Instant.zero
        #expect((0..<5).map { _ in bucket.take(at: now) } == [true, true, true, false, false])
        #expect(bucket.refusals == 2)
        #expect(bucket.nextToken(at: now) == now + .milliseconds(100))
        now += .milliseconds(99)
        #expect(bucket.take(at: now) == false)
        now += .milliseconds(1)
        #expect(bucket.take(at: now) == true)
        #expect(bucket.take(at: now) == false)
    }

    @Test func idlenessFillsUpToTheBurstOnly() {
        var bucket = TokenBucket(rate: 1_000_000, burst: 2, at: .zero)
        let later = Instant.zero + .seconds(86_400 * 365)
        #expect((0..<3).map { _ in bucket.take(at: later) } == [true, true, false])
        #expect(bucket.take(at: .zero) == false)
        #expect(bucket.nextToken(at: later) == later + .microseconds(1))
    }

    /// Asked at odd moments, a bucket that always has somebody waiting permits exactly its rate.
    @Test(arguments: [1, 3, 7, 500, 2_000, 999_983])
    func exact(_ rate: Int) {
        var bucket = TokenBucket(rate: rate, burst: 1, at: .zero)
        var now = Instant.zero
        for number in 0..<1_000 {
            #expect(bucket.take(at: now) == true)
            let next = bucket.nextToken(at: now)
            #expect(bucket.take(at: next - .nanoseconds(1)) == false)
            // Never early, and never a nanosecond too late for the number permitted so far.
            let exact = (Int64(number + 1) * 1_000_000_000 + Int64(rate) - 1) / Int64(rate)
            #expect(next.nanoseconds >= exact && next.nanoseconds <= exact + Int64(number + 1))
            now = next
        }
    }
}
