// Backup: listen, and claim when the active router is gone (RFC 9568, 6.4.2).

import Wire

extension VirtualRouter {
    /// A backup that has heard nobody yet and waits a whole down interval.
    func listening(at now: Instant) -> Backup {
        Backup(
            heard: nil, interval: settings.interval,
            deadline: now + settings.downInterval(interval: settings.interval), expectation: .silence(of: nil))
    }

    /// A backup of the router that has just been heard.
    ///
    /// 6.4.2 (440), 6.4.3 (740): learn the interval, recompute skew and down interval, set the down timer.
    func following(_ advertisement: Advertisement, from: IPAddress, at now: Instant) -> Backup {
        Backup(
            heard: Heard(address: from, priority: advertisement.priority, at: now), interval: advertisement.interval,
            deadline: now + settings.downInterval(interval: advertisement.interval), expectation: .silence(of: from))
    }

    /// Whether a router of lower priority may be displaced at all.
    func mayPreempt(at now: Instant) -> Duration? {
        guard case .after(let delay) = settings.preempt, isInSync else { return nil }
        if let until = hold?.preemptUntil, now < until { return nil }
        return delay
    }

    /// How long a backup waits after a farewell before it claims.
    ///
    /// Skew_Time keeps several backups from claiming at once. Where the configuration names a single other router, which
    /// has just left, nobody is there to collide with, and waiting would only be time without service.
    private func handOverPause(_ backup: Backup) -> Duration {
        settings.peers.count == 1 ? .zero : settings.skew(interval: backup.interval)
    }

    mutating func heardInBackup(
        _ backup: Backup, _ advertisement: Advertisement, from: IPAddress, at now: Instant
    ) {
        var backup = backup
        if advertisement.priority == 0 {
            // 6.4.2 (420): set Active_Down_Timer to Skew_Time. Repeated farewells do not put it off, and a farewell
            // from a router other than the active one says nothing about the active one.
            if backup.heard?.address == from {
                backup.deadline = min(backup.deadline, now + handOverPause(backup))
                backup.expectation = .handedOver(by: from)
            } else if backup.heard == nil {
                // Who says farewell was not heard while active: an old advertisement that somebody repeats looks the
                // same to a router that has just begun. One interval shows whether somebody is active.
                backup.deadline = min(backup.deadline, now + backup.interval + settings.skew(interval: backup.interval))
            }
            state = .backup(backup)
            return
        }
        hold?.peerHeard = true
        var preemptAt: Instant?
        if advertisement.priority < settings.priority, let delay = mayPreempt(at: now) {
            let at = backup.preemptAt ?? now + delay
            if now >= at {
                // 6.4.2 (450): discard. The timer runs on, and its firing displaces the other router.
                backup.preemptAt = at
                backup.heard = Heard(address: from, priority: advertisement.priority, at: now)
                backup.expectation = .preempting(from, priority: advertisement.priority)
                state = .backup(backup)
                return
            }
            preemptAt = at
        }
        backup = following(advertisement, from: from, at: now)
        backup.preemptAt = preemptAt
        state = .backup(backup)
    }

    /// Active_Down_Timer, as seen at `now`.
    mutating func downTimer(_ backup: Backup, at now: Instant, _ actions: inout Actions) {
        guard now >= backup.deadline else { return }
        var backup = backup
        if let hold, !hold.peerHeard, now < hold.until {
            backup.deadline = hold.until
            // It waits for the peer alone, and is not ready for what its group decides.
            backup.waiting = nil
            state = .backup(backup)
            return
        }
        if now - backup.deadline > backup.interval, !backup.listenedAgain {
            // We slept, and the silence may be ours alone. One more interval shows it.
            counters.lateWakes += 1
            backup.listenedAgain = true
            backup.deadline = now + backup.interval + settings.skew(interval: backup.interval)
            state = .backup(backup)
            return
        }
        if let (waiting, until) = reasonToWait(backup, at: now) {
            if backup.waiting != waiting { count(waiting) }
            backup.waiting = waiting
            backup.deadline = until
            state = .backup(backup)
            return
        }
        // The addresses are still here, and still served.
        if case .awaitingSuccessor = parting { return takeBack(at: now, &actions) }
        // 6.4.2 (360): the RFC goes to Active here; we first ask the kernel.
        let claiming = Claiming(
            attempt: claim(&actions), deadline: now + Bounds.claimTimeout, cause: backup.expectation)
        move(to: .claiming(claiming), backup.expectation, &actions)
    }
}
