// Which seeds a test runs with: the usual range, or the one somebody wants to see again.

import Foundation
import Wire

enum Seeds {
    /// The seeds of a run: `UNDERSTUDY_SEED` alone when it is set, otherwise 1...`count`.
    static func upTo(_ count: UInt64) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["UNDERSTUDY_SEED"], let seed = UInt64(text) { return [seed] }
        return Array(1...count)
    }

    /// What to type to see a failure again.
    static func replay(_ seed: UInt64, _ test: String) -> String {
        "seed \(seed); replay: UNDERSTUDY_SEED=\(seed) swift test --filter \(test)"
    }
}

extension SeededGenerator {
    /// Whether something happens that happens `percent` times in a hundred.
    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration {
        .microseconds(Int.random(in: range.lowerBound * 1000...range.upperBound * 1000, using: &self))
    }
}
