// The hooks of one virtual router, seen from `vip`.

import Configuration
import Linux
import Telemetry
import Wire

/// Hands hooks to a thread of their own and learns what came of them. Never waits.
final class HookRunner {
    /// What has been counted.
    struct Counters {
        var succeeded: UInt64 = 0
        /// Ended with another status than 0, by a signal, or could not be started.
        var failed: UInt64 = 0
        /// Of them killed at the timeout.
        var killed: UInt64 = 0
        /// Refused because ``HookQueue/capacity`` jobs waited.
        var dropped: UInt64 = 0
        /// Left out because a run for the same event was still waiting.
        var joined: UInt64 = 0
    }

    /// What hooks are told about a moment of the router.
    struct Moment {
        var role: String
        var formerRole: String
        var priority: UInt8
        var reason: String
        var isPlanned: Bool
    }

    private(set) var counters = Counters()
    /// The number of the last claim; 0 before the first.
    private(set) var epoch: UInt64 = 0
    /// The last outcome for each hook, by event and path.
    private(set) var lastOutcomes: [HookPlan.Hook: HookOutcome] = [:]

    private let router: String
    private let facts: [String]
    private let loop: EventLoop
    private let log: Log
    private var plan: HookPlan
    private var epochs: EpochFile
    private var queue: HookQueue?
    private var thread: Linux.Thread?
    private var lastNumber: UInt64 = 0
    private var waiting: [(number: UInt64, done: () -> Void)] = []

    /// - Parameter facts: further environment, `NAME=value`, the same for every hook.
    init(_ plan: HookPlan, router: String, facts: [String], on loop: EventLoop, log: Log) {
        self.plan = plan
        self.router = router
        self.facts = facts
        self.loop = loop
        self.log = log
        epochs = EpochFile(directory: plan.directory, router: router)
        loadEpoch()
    }

    /// Lives by another plan; what waits still runs as it was.
    func follow(_ new: HookPlan) {
        plan = new
        lastOutcomes = lastOutcomes.filter { new.hooks.contains($0.key) }
        loadEpoch()
    }

    private func loadEpoch() {
        guard !plan.hooks.isEmpty else { return }
        do throws(Errno) {
            epoch = max(epoch, try epochs.load())
        } catch {
            log.error("The epoch of hooks cannot be read; it goes on from the clock.", ["router": router, "error": error])
        }
    }

    /// A new claim has succeeded.
    func advanceEpoch() { epoch = EpochFile.next(after: epoch, wallMicroseconds: Clock.wallMicroseconds) }

    // MARK: Running

    /// Whether something runs on this event.
    func has(_ event: HookPlan.Hook.Event) -> Bool { !plan.hooks(on: event).isEmpty }

    /// Has everything run that the configuration has for this event.
    ///
    /// - Returns: the number of the last job; `nil` when there is none.
    @discardableResult
    func run(_ event: HookPlan.Hook.Event, _ moment: Moment) -> UInt64? {
        let hooks = plan.hooks(on: event)
        guard !hooks.isEmpty, let queue = openQueue() else { return nil }
        // Repeated news of one kind are one; changes of role each count.
        if event == .reclaimed, queue.hasWaiting(event) {
            counters.joined += 1
            return nil
        }
        var last: UInt64?
        for hook in hooks {
            lastNumber += 1
            let job = HookJob(
                number: lastNumber, hook: hook, environment: environment(event, moment), epoch: epoch)
            if queue.add(job) {
                last = job.number
            } else {
                counters.dropped += 1
                log.error("A hook was left out: too many wait.", ["router": router, "hook": hook.path])
            }
        }
        return last
    }

    /// Calls back when a job has ended, or at the deadline.
    func await(_ number: UInt64, until deadline: Instant, _ done: @escaping () -> Void) {
        waiting.append((number, done))
        loop.schedule(at: deadline) { [weak self] in self?.finish { $0 == number } }
    }

    private func finish(_ isOver: (UInt64) -> Bool) {
        let over = waiting.filter { isOver($0.number) }
        waiting.removeAll { isOver($0.number) }
        for entry in over { entry.done() }
    }

    private func environment(_ event: HookPlan.Hook.Event, _ moment: Moment) -> [String] {
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "UNDERSTUDY_EVENT=\(event.rawValue)", "UNDERSTUDY_ROUTER=\(router)", "UNDERSTUDY_NODE=\(plan.node)",
            "UNDERSTUDY_ROLE=\(moment.role)", "UNDERSTUDY_FORMER_ROLE=\(moment.formerRole)",
            "UNDERSTUDY_EPOCH=\(epoch)", "UNDERSTUDY_PRIORITY=\(moment.priority)",
            "UNDERSTUDY_PLANNED=\(moment.isPlanned ? "yes" : "no")", "UNDERSTUDY_REASON=\(moment.reason)",
        ] + facts
    }

    private func openQueue() -> HookQueue? {
        if let queue { return queue }
        do throws(Errno) {
            let queue = try HookQueue()
            try loop.add(queue.news.number, .readable) { [weak self] _ in self?.readNews() }
            thread = try HookWorker.start(queue, epochs: epochs, log: log)
            self.queue = queue
            return queue
        } catch {
            counters.failed += 1
            log.error("Hooks cannot be run.", ["router": router, "error": error])
            return nil
        }
    }

    private func readNews() {
        for outcome in queue?.takeOutcomes() ?? [] {
            let hook = outcome.job.hook
            if outcome.result.isSuccess {
                counters.succeeded += 1
            } else {
                counters.failed += 1
                if case .killed = outcome.result { counters.killed += 1 }
                log.warning(
                    "A hook failed.",
                    ["router": router, "event": hook.event.rawValue, "hook": hook.path, "result": outcome.result])
            }
            if plan.hooks.contains(hook) { lastOutcomes[hook] = outcome }
            finish { $0 <= outcome.job.number }
        }
    }

    // MARK: The end

    /// No more jobs come; those that wait still run, until this point of time at the latest.
    func close(by deadline: Instant) { queue?.close(by: deadline) }

    /// Whether there is no thread, or nothing is left for it to do after ``close(by:)``.
    var isOver: Bool { queue.map { $0.closing != nil && $0.depth == 0 } ?? true }

    /// Waits for the end of the thread, after ``close(by:)``. For the end of the process, when nothing is left to be done.
    func join() {
        thread?.join()
        thread = nil
        if let queue { loop.remove(queue.news.number) }
    }

    // MARK: Status

    /// The hooks' part of the status.
    func report(at now: Instant) -> JSON {
        [
            "epoch": JSON(epoch),
            "waiting": JSON(queue?.depth ?? 0),
            "succeeded": JSON(counters.succeeded),
            "failed": JSON(counters.failed),
            "killed": JSON(counters.killed),
            "dropped": JSON(counters.dropped),
            "joined": JSON(counters.joined),
            "hooks": .array(plan.hooks.map { report($0, at: now) }),
        ]
    }

    private func report(_ hook: HookPlan.Hook, at now: Instant) -> JSON {
        let last = lastOutcomes[hook]
        return [
            "event": .string(hook.event.rawValue),
            "path": .string(hook.path),
            "last_result": JSON(last?.result.description),
            "last_epoch": last.map { JSON($0.job.epoch) } ?? .null,
            "last_took_ms": last.map { milliseconds($0.ended - $0.began) } ?? .null,
            "last_age_ms": last.map { milliseconds(now - $0.ended) } ?? .null,
        ]
    }
}
