// The thread that runs the hooks of one virtual router.

import Glibc
import Configuration
import Linux
import Telemetry
import Wire

/// Runs one program at a time, in order, and kills it at its deadline. May wait for a disk; `vip` never waits for it.
///
/// Programs of root keep what `vip` has of rights: CAP_NET_ADMIN and CAP_NET_RAW, and those to change users. Those of other
/// users have none. None can get more.
final class HookWorker {
    private let queue: HookQueue
    private let epochs: EpochFile
    private let log: Log
    private let loop: EventLoop
    private let nowhere: FileDescriptor
    private var current: (job: HookJob, process: Process, began: Instant)?
    private var wasKilled = false
    private var deadline: EventLoop.Timer?
    private var end: EventLoop.Timer?

    /// Starts the thread; it ends after ``HookQueue/close(by:)``.
    static func start(_ queue: HookQueue, epochs: EpochFile, log: Log) throws(Errno) -> Linux.Thread {
        try Linux.Thread(name: "vip-hooks") {
            do throws(Errno) {
                let worker = try HookWorker(queue, epochs: epochs, log: log)
                try worker.loop.run()
            } catch {
                log.error("Hooks cannot be run.", ["error": error])
            }
        }
    }

    private init(_ queue: HookQueue, epochs: EpochFile, log: Log) throws(Errno) {
        self.queue = queue
        self.epochs = epochs
        self.log = log
        loop = try EventLoop()
        nowhere = try File.open(device: "/dev/null")
        try loop.add(queue.orders.number, .readable) { [unowned self] _ in
            queue.orders.silence()
            go()
        }
    }

    private func go() {
        if let closing = queue.closing, end == nil {
            end = loop.schedule(at: closing) { [unowned self] in
                kill()
                if current == nil { loop.stop() }
            }
        }
        while current == nil, let job = queue.next() { begin(job) }
        if current == nil, queue.closing != nil { loop.stop() }
    }

    private func begin(_ job: HookJob) {
        let began = Clock.now
        func refuse(_ reason: String) {
            queue.tell(HookOutcome(job: job, result: .refused(reason), began: began, ended: Clock.now))
        }
        if let closing = queue.closing, began >= closing { return refuse("this process ends") }
        // Before the program can see the number, so that it never goes back.
        if let refusal = epochs.store(job.epoch) {
            log.error("The epoch of hooks cannot be stored.", ["file": epochs.path, "error": refusal])
        }
        // Looked at before every run: the file may have been replaced since the configuration was checked.
        if let reason = TrustedProgram.refusal(job.hook.path) { return refuse(reason) }
        var launch = Process.Launch(
            path: job.hook.path, arguments: [job.hook.path], environment: job.environment)
        // What it says is for the log of the service.
        launch.descriptors = [0: nowhere.number, 1: 2, 2: 2]
        do throws(Errno) {
            if Privileges.isRoot { launch.user = try User.existing(job.hook.user) }
            let process = try Process(launch)
            current = (job, process, began)
            wasKilled = false
            do throws(Errno) {
                try process.watch(on: loop) { [unowned self] ending in ended(ending) }
            } catch {
                kill()
                current = nil
                throw error
            }
            deadline = loop.schedule(at: began + job.hook.timeout) { [unowned self] in kill() }
        } catch {
            refuse("\(error)")
        }
    }

    /// Ends the program and everything it started.
    private func kill() {
        guard let current else { return }
        wasKilled = true
        // It may be gone already; then its end is on its way.
        try? current.process.sendToGroup(SIGKILL)
    }

    private func ended(_ ending: Process.Ending) {
        loop.cancel(deadline)
        guard let (job, _, began) = current else { return }
        current = nil
        queue.tell(
            HookOutcome(job: job, result: wasKilled ? .killed : .ended(ending), began: began, ended: Clock.now))
        go()
    }
}
