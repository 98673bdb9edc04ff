// Seeds of the stick table's property tests, and how to replay one.

import Foundation
import Testing

enum StickTableSeeds {
    /// `UNDERSTUDY_SEED` alone when it is set, otherwise 1...`count`.
    static func all(_ count: UInt64) -> [UInt64] {
        if let text = ProcessInfo.processInfo.environment["UNDERSTUDY_SEED"], let seed = UInt64(text) { return [seed] }
        return Array(1...count)
    }

    static func replay(_ seed: UInt64) -> Comment {
        "seed \(seed); replay: UNDERSTUDY_SEED=\(seed) swift test --filter StickTable"
    }
}
