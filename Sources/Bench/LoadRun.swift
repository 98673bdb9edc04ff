// Leads a generator through its phases.

import Linux
import Synchronization
import TLS
import Wire

/// Runs scenarios.
package enum LoadRun {
    /// How long memory is left alone before it is read.
    private static let settling = Duration.milliseconds(500)
    /// How long nobody may answer at all.
    private static let firstPatience = Duration.seconds(3)
    private static let look = Duration.milliseconds(1)

    /// Runs one scenario to its end.
    ///
    /// - Parameter isInterrupted: asked now and then; `true` ends the run early, with what there is.
    /// - Throws: when it cannot begin: no such host, no certificate, no descriptors.
    package static func measure(
        _ settings: LoadSettings, isInterrupted: @escaping () -> Bool = { false }
    ) throws(BenchRefusal) -> LoadReport {
        let shared = LoadShared()
        let loops = try start(settings, shared)
        let leader = Leader(settings: settings, shared: shared, isInterrupted: isInterrupted)
        var report = leader.lead()
        shared.phase = .over
        for loop in loops {
            loop.thread.join()
            report.tally.merge(loop.result.withLock { $0 })
        }
        return report
    }

    /// A running loop, and where it leaves what it has measured.
    private final class Running: Sendable {
        let thread: Thread
        let result: Result

        final class Result: Sendable {
            private let tally = Mutex(LoadTally())
            func withLock<Value: Sendable>(_ body: (inout sending LoadTally) -> sending Value) -> Value {
                tally.withLock(body)
            }
        }

        init(_ loop: LoadLoop, _ number: Int) throws(Errno) {
            let result = Result()
            self.result = result
            thread = try Thread(name: "bench-load-\(number)") {
                let tally = loop.run()
                result.withLock { $0 = tally }
            }
        }
    }

    private static func start(_ settings: LoadSettings, _ shared: LoadShared) throws(BenchRefusal) -> [Running] {
        do {
            let target = try settings.url.address()
            let context = settings.url.scheme.isEncrypted ? try BenchSecurity.client(settings.tlsVersion) : nil
            let packets = try LoadPackets(settings)
            _ = try ResourceLimits.raiseOpenFiles(to: UInt64(settings.connections + 256))
            var loops: [LoadLoop] = []
            for number in 0..<settings.loops {
                let range =
                    (settings.connections * number / settings.loops)..<(settings.connections * (number + 1)
                        / settings.loops)
                loops.append(
                    try LoadLoop(settings, packets, shared, target: target, context: context, sessions: range))
            }
            return try loops.enumerated().map { try Running($0.element, $0.offset) }
        } catch let error as BenchRefusal {
            throw error
        } catch let error as BenchURL.Wrong {
            throw BenchRefusal(error.message)
        } catch {
            throw BenchRefusal("\(error)")
        }
    }

    /// Who decides when a phase is over.
    private struct Leader {
        let settings: LoadSettings
        let shared: LoadShared
        let isInterrupted: () -> Bool

        func lead() -> LoadReport {
            var report = LoadReport(settings)
            let begin = Clock.now
            if settings.scenario != .connect {
                open(&report)
                report.opened = (Clock.now - begin).nanoseconds
            } else {
                if settings.resumes { waitForTicket() }
                shared.allowed.store(settings.connections, ordering: .relaxed)
            }
            guard report.isComplete else { return report }
            shared.phase = .warmUp
            pause(settings.warmUp)
            let start = Clock.now
            let own = ProcessUsage.processorTime(of: [ProcessSelf.pid])
            let watched = ProcessUsage.processorTime(of: settings.watched)
            shared.phase = .measuring
            if settings.scenario == .storm {
                wait(settings.patience) { shared.returned.load(ordering: .relaxed) >= report.up }
            } else {
                pause(settings.duration)
            }
            report.ownTime = ProcessUsage.processorTime(of: [ProcessSelf.pid]) - own
            report.watchedTime = ProcessUsage.processorTime(of: settings.watched) - watched
            report.measured = (Clock.now - start).nanoseconds
            return report
        }

        /// With `hold`, a tenth first: what one session weighs is told by the others.
        private func open(_ report: inout LoadReport) {
            if settings.resumes { waitForTicket() }
            let few = settings.connections / 10
            if settings.scenario == .hold, few > 0 {
                shared.allowed.store(few, ordering: .relaxed)
                wait(settings.patience) { shared.up.load(ordering: .relaxed) >= few }
                ProcessSelf.pause(LoadRun.settling)
                report.memory.few = ProcessUsage.memory(of: settings.watched)
                report.kernel.few = ProcessUsage.kernelObjects
                report.memorySessions = settings.connections - few
            }
            shared.allowed.store(settings.connections, ordering: .relaxed)
            // Where nobody answers, more patience does not help.
            let hopeless = Clock.now + LoadRun.firstPatience
            wait(settings.patience) {
                let up = shared.up.load(ordering: .relaxed)
                return up >= settings.connections
                    || up == 0 && Clock.now > hopeless && shared.failures.load(ordering: .relaxed) > 0
            }
            report.up = shared.up.load(ordering: .relaxed)
            if settings.scenario == .hold {
                ProcessSelf.pause(LoadRun.settling)
                report.memory.all = ProcessUsage.memory(of: settings.watched)
                report.kernel.all = ProcessUsage.kernelObjects
            }
        }

        /// The first session comes alone: the others resume it.
        private func waitForTicket() {
            shared.allowed.store(1, ordering: .relaxed)
            wait(.seconds(5)) { shared.resumption != nil }
        }

        private func pause(_ duration: Duration) { wait(duration) { false } }

        private func wait(_ duration: Duration, until isDone: () -> Bool) {
            let end = Clock.now + duration
            while !isDone(), Clock.now < end, !isInterrupted() { ProcessSelf.pause(LoadRun.look) }
        }
    }
}
