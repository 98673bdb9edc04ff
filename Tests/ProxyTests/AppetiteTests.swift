// How many events a turn takes, by what the last ones cost.

import Testing

@testable import Proxy

@Suite("A loop's appetite")
struct AppetiteTests {
    @Test("events that cost little are taken by the hundred, those that cost much by a few, and never fewer than the least")
    func adapts() {
        var appetite = Appetite(most: 256)
        #expect(appetite.events == Appetite.least)
        for _ in 0..<10 { appetite.digest(appetite.events, took: Int64(appetite.events) * 1_500) }
        #expect(appetite.events == 256)
        for _ in 0..<10 { appetite.digest(appetite.events, took: Int64(appetite.events) * 20_000) }
        #expect(appetite.events == Appetite.least)
        // Between the two bounds, and when fewer events came than might have, nothing changes.
        appetite.digest(appetite.events, took: 700_000)
        appetite.digest(3, took: 10_000)
        #expect(appetite.events == Appetite.least)
    }

    @Test("a turn that costs twenty microseconds for each event comes under two milliseconds after the first")
    func bound() {
        var appetite = Appetite(most: 256)
        for _ in 0..<20 { appetite.digest(appetite.events, took: Int64(appetite.events) * 1_500) }
        var lengths: [Int64] = []
        for _ in 0..<6 {
            let length = Int64(appetite.events) * 20_000
            lengths.append(length)
            appetite.digest(appetite.events, took: length)
        }
        #expect(lengths == [5_120_000, 2_560_000, 1_280_000, 640_000, 640_000, 640_000])
    }
}
