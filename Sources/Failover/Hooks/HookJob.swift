// One run of a hook, and what came of it.

import Linux
import Wire

/// A hook that is to run.
struct HookJob: Sendable {
    /// Rises with each job of a router.
    var number: UInt64
    var hook: HookPlan.Hook
    /// The environment, `NAME=value`.
    var environment: [String]
    /// The number of the claim it belongs to.
    var epoch: UInt64
}

/// What came of a run.
struct HookOutcome: Sendable {
    enum Result: Sendable, CustomStringConvertible {
        case ended(Process.Ending)
        /// It took longer than its timeout, or than this process lives, and was killed.
        case killed
        /// It could not be started.
        case refused(String)

        var isSuccess: Bool { if case .ended(let ending) = self { ending.isClean } else { false } }

        var description: String {
            switch self {
            case .ended(let ending): "\(ending)"
            case .killed: "killed at its timeout"
            case .refused(let reason): "could not run: \(reason)"
            }
        }
    }

    var job: HookJob
    var result: Result
    var began: Instant
    var ended: Instant
}
