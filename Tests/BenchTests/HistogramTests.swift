// Percentiles of the generator, against sorted values.

import Bench
import Testing
import Wire

@Suite("A histogram")
struct HistogramTests {
    @Test("tells percentiles within 3 per cent of what sorting tells", arguments: [1, 2, 3])
    func percentiles(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var histogram = Histogram()
        var values: [Int64] = []
        for _ in 0..<20_000 {
            // From nanoseconds to minutes, as many of each magnitude.
            let value = Int64.random(in: 0..<1 << Int64.random(in: 1...37, using: &generator), using: &generator)
            values.append(value)
            histogram.record(value)
        }
        values.sort()
        #expect(histogram.count == 20_000)
        #expect(histogram.maximum == values.last)
        for share in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1] {
            let exact = Double(values[max(0, Int((share * 20_000).rounded(.up)) - 1)])
            let told = Double(histogram.quantile(share))
            #expect(told >= exact && told <= exact * 1.035 + 1, "\(share): \(told) for \(exact)")
        }
    }

    @Test("is the same whether values were recorded in one or in two that were merged")
    func merging() {
        var whole = Histogram()
        var one = Histogram()
        var other = Histogram()
        for value in Int64(0)..<5000 {
            whole.record(value * value)
            if value % 3 == 0 { one.record(value * value) } else { other.record(value * value) }
        }
        one.merge(other)
        #expect(one == whole)
    }

    @Test("takes the extremes")
    func extremes() {
        var histogram = Histogram()
        #expect(histogram.quantile(0.5) == 0)
        histogram.record(-5)
        histogram.record(.max)
        #expect(histogram.quantile(0.5) == 0)
        #expect(histogram.quantile(1) == .max)
        #expect(histogram.maximum == .max)
    }
}
