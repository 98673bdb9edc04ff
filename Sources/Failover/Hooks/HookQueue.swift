// What the vip process and the thread of its hooks share: jobs one way, outcomes the other.

import Configuration
import Linux
import Synchronization
import Wire

/// Two bounded lists under a lock that is held for moments only, and a bell for each side.
final class HookQueue: Sendable {
    /// Jobs that wait. One more is refused, and counted.
    static let capacity = 64

    private struct Contents {
        var jobs: [HookJob] = []
        var outcomes: [HookOutcome] = []
        var isRunning = false
        /// No more jobs come; what has not ended by then is killed.
        var closing: Instant?
    }

    /// Rings for the thread: a job, or the end.
    let orders: Bell
    /// Rings for `vip`: an outcome.
    let news: Bell
    private let contents = Mutex(Contents())

    init() throws(Errno) {
        orders = try Bell()
        news = try Bell()
    }

    // MARK: vip's side

    /// Adds a job; `false` when there is no room.
    func add(_ job: HookJob) -> Bool {
        let isAdded = contents.withLock { contents in
            guard contents.jobs.count < Self.capacity, contents.closing == nil else { return false }
            contents.jobs.append(job)
            return true
        }
        if isAdded { orders.ring() }
        return isAdded
    }

    /// Whether a job of this event waits that has not begun.
    func hasWaiting(_ event: HookPlan.Hook.Event) -> Bool {
        contents.withLock { $0.jobs.contains { $0.hook.event == event } }
    }

    /// Jobs that wait or run.
    var depth: Int { contents.withLock { $0.jobs.count + ($0.isRunning ? 1 : 0) } }

    /// Takes what came of jobs since the last time.
    func takeOutcomes() -> [HookOutcome] {
        news.silence()
        return contents.withLock { contents in
            defer { contents.outcomes = [] }
            return contents.outcomes
        }
    }

    /// Ends the thread when every job has run, at this point of time at the latest.
    func close(by deadline: Instant) {
        contents.withLock { $0.closing = min($0.closing ?? deadline, deadline) }
        orders.ring()
    }

    // MARK: The thread's side

    /// The next job; it counts as running until its outcome is told.
    func next() -> HookJob? {
        contents.withLock { contents in
            guard !contents.jobs.isEmpty else { return nil }
            contents.isRunning = true
            return contents.jobs.removeFirst()
        }
    }

    /// Tells what came of a job. At most one for each job, so it is bounded by ``capacity`` as long as `vip` reads.
    func tell(_ outcome: HookOutcome) {
        contents.withLock { contents in
            contents.isRunning = false
            if contents.outcomes.count < Self.capacity { contents.outcomes.append(outcome) }
        }
        news.ring()
    }

    var closing: Instant? { contents.withLock { $0.closing } }
}
