// One script, run again and again on the attendant's loop.

import Glibc
import Linux
import VRRP
import Wire

/// Runs a script, kills it when it takes too long, and reports how each run ended. There is never more than one run.
final class ScriptRun {
    let script: AttendantOrder.Script
    private let loop: EventLoop
    private let nowhere: Int32
    private let report: (Tracking.ScriptResult) -> Void
    private var process: Process?
    private var startedAt = Instant.zero
    private var timer: EventLoop.Timer?
    private var isTimedOut = false
    private var isStopped = false

    /// - Parameter nowhere: `/dev/null`, for what scripts read and write.
    init(
        _ script: AttendantOrder.Script, on loop: EventLoop, nowhere: Int32, report: @escaping (Tracking.ScriptResult) -> Void
    ) {
        self.script = script
        self.loop = loop
        self.nowhere = nowhere
        self.report = report
    }

    /// Whether a process of it has not been reaped yet.
    var isRunning: Bool { process != nil }

    /// Begins to run it.
    func start() {
        guard !isStopped, process == nil else { return }
        startedAt = Clock.now
        isTimedOut = false
        // Looked at before every run: the file may have been replaced since the configuration was checked.
        if TrustedProgram.refusal(script.command) != nil { return couldNotRun(EPERM) }
        do throws(Errno) {
            // The user is looked up before every run too: it may have been made since.
            var launch = launch
            if Privileges.isRoot {
                launch.user = if let name = script.user { try User.existing(name) } else { try User.forScripts() }
            }
            let process = try Process(launch)
            self.process = process
            try process.watch(on: loop) { [weak self] ending in self?.ended(ending) }
            timer = loop.schedule(at: startedAt + script.timeout) { [weak self] in self?.overdue() }
        } catch {
            // Started but not watched: it must not go on unseen.
            if let process {
                kill(process)
                _ = process.reap()
                self.process = nil
            }
            couldNotRun(error.code)
        }
    }

    /// Runs it no more, and kills what runs. It is reaped on the loop.
    func stop() {
        isStopped = true
        loop.cancel(timer)
        timer = nil
        if let process { kill(process) }
    }

    private var launch: Process.Launch {
        var launch = Process.Launch(
            path: script.command, arguments: [script.command] + script.arguments,
            environment: [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "UNDERSTUDY_SCRIPT=\(script.name)",
            ])
        // What it writes is nobody's: its exit status is all it says.
        launch.descriptors = [0: nowhere, 1: nowhere, 2: nowhere]
        return launch
    }

    private func couldNotRun(_ errno: Int32) {
        report(.couldNotRun(errno: errno))
        scheduleNext()
    }

    /// It took too long. A process that even SIGKILL does not end (a dead disk) is reported again and again.
    private func overdue() {
        guard let process else { return }
        isTimedOut = true
        kill(process)
        report(.timedOut)
        timer = loop.schedule(at: Clock.now + script.interval) { [weak self] in self?.overdue() }
    }

    private func kill(_ process: Process) {
        // It may be gone already; then its end is on its way.
        try? process.sendToGroup(SIGKILL)
    }

    private func ended(_ ending: Process.Ending) {
        process = nil
        loop.cancel(timer)
        timer = nil
        guard !isStopped else { return }
        if !isTimedOut {
            switch ending {
            case .exited(0): report(.succeeded)
            case .exited(let status): report(.failed(status: status))
            case .signaled(let signal): report(.killed(signal: signal))
            // Nothing reaps a script elsewhere; what is not known to have succeeded has not.
            case .unknown: report(.killed(signal: 0))
            }
        }
        scheduleNext()
    }

    private func scheduleNext() {
        guard !isStopped else { return }
        timer = loop.schedule(at: max(Clock.now, startedAt + script.interval)) { [weak self] in
            self?.timer = nil
            self?.start()
        }
    }
}
