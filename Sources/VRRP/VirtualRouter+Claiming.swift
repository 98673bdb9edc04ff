// Claiming: the kernel is asked for the addresses, and nothing is said before it shows them.

import Wire

extension VirtualRouter {
    /// The claim whose report is awaited.
    var pendingAttempt: Attempt? {
        switch state {
        case .claiming(let claiming): return claiming.attempt
        case .active(let active):
            switch active.phase {
            case .reconciling(let attempt, _), .repairing(let attempt, _): return attempt
            case .shown, .listening: return nil
            }
        case .initialize, .backup: return nil
        }
    }

    mutating func heardWhileClaiming(
        _ claiming: Claiming, _ advertisement: Advertisement, from: IPAddress, at now: Instant,
        _ actions: inout Actions
    ) {
        guard advertisement.priority > 0 else { return }
        // Whom we are displacing may go on speaking until it hears us. Anybody else was faster.
        if case .preempting = claiming.cause, advertisement.priority < settings.priority { return }
        release(&actions)
        move(
            to: .backup(following(advertisement, from: from, at: now)),
            .yielded(to: from, priority: advertisement.priority), &actions)
    }

    mutating func claimed(_ attempt: Attempt, at now: Instant, _ actions: inout Actions) {
        guard attempt == pendingAttempt else { return }
        switch state {
        case .initialize, .backup: break
        case .claiming(let claiming):
            guard now < claiming.deadline else { return claimFailed(.claimTimedOut, at: now, &actions) }
            holdsAddresses = true
            failedClaims = 0
            hold = nil
            // 6.4.2 (365)...(395), after the kernel's word: advertise, announce, set Adver_Timer, be active.
            var active = Active(phase: .shown, since: now, cause: claiming.cause, nextAdvert: now)
            advertiseNow(&active, at: now, &actions)
            announceNow(&active, at: now, &actions)
            move(to: .active(active), claiming.cause, &actions)
        case .active(var active):
            holdsAddresses = true
            if !active.phase.isTruth { active.announceWhenShown = true }
            active.phase = .shown
            if now >= active.nextAdvert { advertiseNow(&active, at: now, &actions) }
            if active.announceWhenShown { announceNow(&active, at: now, &actions) }
            active.announceWhenShown = false
            state = .active(active)
        }
    }

    /// A claim failed: leave, and try again after a pause.
    mutating func claimFailed(_ reason: IdleReason, at now: Instant, _ actions: inout Actions) {
        counters.claimFailures += 1
        var pause = Bounds.firstClaimPause
        for _ in 0..<failedClaims where pause < Bounds.longestClaimPause { pause = pause * 2 }
        failedClaims = min(failedClaims + 1, 16)
        penalize(reason, pause: min(pause, Bounds.longestClaimPause), at: now, &actions)
    }

    mutating func penalize(_ reason: IdleReason, pause: Duration, at now: Instant, _ actions: inout Actions) {
        penalty = Penalty(reason: reason, until: now + pause)
        leave(.initialize(reason), .idle(reason), &actions)
    }

    /// Somebody else removed an address: put it back, but not for ever.
    mutating func addressLost(at now: Instant, _ actions: inout Actions) {
        holdsAddresses = false
        guard case .active(var active) = state else { return }
        counters.addressesLost += 1
        // One flush takes all addresses at once and is repaired once.
        if active.phase.isTruth {
            if now - repairs.since >= Bounds.repairWindow { repairs = (0, now) }
            repairs.count += 1
        }
        guard repairs.count <= Bounds.maximumRepairs else {
            counters.contests += 1
            return penalize(.addressesContested, pause: Bounds.contestedPause, at: now, &actions)
        }
        // Also while listening: then the claim comes when the listening is over.
        if case .listening = active.phase { return }
        active.phase = .repairing(claim(&actions), deadline: now + Bounds.claimTimeout)
        state = .active(active)
    }
}
