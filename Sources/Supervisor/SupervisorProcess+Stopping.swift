// Ends the daemon in order, as slowly as its configuration allows; perhaps for another program, which follows in the keeper's.

import Configuration
import Control
import Linux
import Telemetry
import Wire

extension SupervisorProcess {
    /// Name of the environment variable that tells the known program why the one that was to follow it did not.
    static let returnedVariable = "UNDERSTUDY_NOT_FOLLOWED"

    /// How long children may take to end, by the configuration in force.
    func adoptStopTimes() {
        let configuration = current.loaded.configuration
        supervision.vipStop = Supervision.Limits.stop + configuration.hookTimeAtEnd
        supervision.balancerStop = max(configuration.drain.deadline, Supervision.Limits.stop)
    }

    /// Ends the daemon, sessions first when the configuration gives them a rate; told again, at once. A program that was to
    /// follow does not: whoever says stop means the last word.
    func stop() {
        if let program = afterwards {
            afterwards = nil
            log.notice("The daemon stops; the new program does not start.", ["program": program])
            leave()
            // It ends already, and as patiently as after any first order.
            return announceEnd()
        }
        end()
    }

    private func end() {
        let settings = current.loaded.configuration.drain
        guard !supervision.isStopping, settings.rate != nil else { return tell(.stop) }
        log.notice("Sessions are drained before the daemon ends.", ["within": settings.deadline.text])
        tell(.drain(settings.deadline))
    }

    /// The end that has begun, for who follows this process in the middle of it.
    var orderedEnd: Heritage.End? {
        guard isEndOrdered else { return nil }
        guard supervision.isStopping else { return inheritedEnd }
        return Heritage.End(drainsUntil: supervision.drainDeadline, afterwards: afterwards)
    }

    /// Ends what the supervisor before this one was told to end.
    func goOnEnding(_ end: Heritage.End?) {
        guard let end else { return }
        isEndOrdered = true
        inheritedEnd = end
        afterwards = end.afterwards
        // In the loop, which it may leave.
        loop.schedule(at: Clock.now) { [unowned self] in
            log.notice("The end that was ordered goes on.", ["afterwards": end.afterwards ?? "nothing"])
            tell(end.drainsUntil.map { .drain(max(.zero, $0 - Clock.now)) } ?? .stop)
        }
    }

    /// How long the end may take, from now on, with children that hang.
    var longestEnd: Duration {
        let drain = current.loaded.configuration.drain
        return supervision.longestEnd(drain: drain.rate == nil ? nil : drain.deadline)
    }

    /// Tells the service manager what begins here, then how long it may take: a manager that was not told kills everything after
    /// its own time for a stop. One that hears of a stop waits for the end of the process, so it is told of a reload when another
    /// program follows in it.
    func announceEnd() {
        if let afterwards {
            notify.reloading(at: Clock.now)
            notify.status("everything ends in order, then \(afterwards) starts")
        } else {
            notify.stopping("releasing the address, then closing")
        }
        notify.extend(by: longestEnd)
    }

    // MARK: Another program

    /// Everything ends in order, sessions first; then the new program starts in the keeper's process. The operator is told that it
    /// begins: what comes of it is seen in the status of the program that is there afterwards.
    func drainAndFollow(_ upgrading: Upgrading) {
        log.notice("Sessions are drained, then the new program starts.", ["program": upgrading.path])
        loop.cancel(upgrading.timer)
        self.upgrading = nil
        afterwards = upgrading.path
        isEndOrdered = true
        end()
        upgrading.asker.answer([
            "ok": true, "draining": true, "version": .string(upgrading.version), "pid": JSON(kept.words.keeper),
            "within_ms": JSON(longestEnd.wholeMilliseconds),
        ])
    }
}
