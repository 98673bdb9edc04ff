// How long things took, in bounded memory.

package import Wire

/// Counts of durations in buckets whose width grows with the value: a percentile is off by at most 3 %.
///
/// 32 buckets for each power of two, so 1,888 of them hold everything from a nanosecond to 292 years.
package struct Histogram: Equatable, Sendable {
    /// Buckets for each doubling, as a power of two.
    private static let precision = 5
    private static let buckets = (64 - precision) << precision

    private var counts = [UInt64](repeating: 0, count: Histogram.buckets)
    /// Values recorded.
    package private(set) var count: UInt64 = 0
    /// The largest value recorded, in nanoseconds, exactly; 0 when there is none.
    package private(set) var maximum: Int64 = 0

    package init() {}

    /// Adds a duration in nanoseconds; what is below zero counts as 0.
    package mutating func record(_ nanoseconds: Int64) {
        let value = max(0, nanoseconds)
        counts[Self.bucket(UInt64(value))] += 1
        count += 1
        maximum = max(maximum, value)
    }

    /// Adds everything another histogram holds.
    package mutating func merge(_ other: Histogram) {
        for index in counts.indices { counts[index] += other.counts[index] }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    /// The duration in nanoseconds that `share` (0...1) of all values do not exceed; 0 when there are none.
    package func quantile(_ share: Double) -> Int64 {
        guard count > 0 else { return 0 }
        let wanted = max(1, UInt64((share * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            seen += counts[index]
            if seen >= wanted { return min(maximum, Self.upperBound(index)) }
        }
        return maximum
    }

    /// The largest value of a bucket.
    private static func upperBound(_ index: Int) -> Int64 {
        let group = index >> precision
        let position = index & (1 << precision - 1)
        guard group > 0 else { return Int64(position) }
        let shift = group - 1
        let low = (UInt64(1 << precision) + UInt64(position)) << UInt64(shift)
        return Int64(clamping: low + (1 << UInt64(shift)) - 1)
    }

    private static func bucket(_ value: UInt64) -> Int {
        let bits = 64 - value.leadingZeroBitCount
        guard bits > precision else { return Int(value) }
        let shift = bits - precision - 1
        return (shift + 1) << precision | Int(value >> UInt64(shift)) & (1 << precision - 1)
    }
}

extension Histogram {
    /// Median, 90, 99 and 99.9 per cent and maximum, in microseconds.
    package var json: JSON {
        func microseconds(_ nanoseconds: Int64) -> JSON { .number(Double(nanoseconds / 10) / 100) }
        return [
            "p50": microseconds(quantile(0.5)), "p90": microseconds(quantile(0.9)),
            "p99": microseconds(quantile(0.99)), "p999": microseconds(quantile(0.999)), "max": microseconds(maximum),
        ]
    }
}
