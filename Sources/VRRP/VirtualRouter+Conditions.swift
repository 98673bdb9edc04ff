// Whether the node may take part at all: started, interface up, an address to send from, able to serve.

import Wire

extension VirtualRouter {
    /// The first reason for which this node takes no part at `now`; `nil` when it does.
    func obstacle(at now: Instant) -> IdleReason? { ownObstacle(at: now) ?? groupBar.map { .group($0) } }

    /// The same without what the group says.
    func ownObstacle(at now: Instant) -> IdleReason? {
        if !isStarted { return wasStopped ? .stopped : .notStarted }
        if !isInterfaceUp { return .interfaceDown }
        if let socketErrno { return .noSocket(errno: socketErrno) }
        if source == nil { return .noSourceAddress }
        if !isReady { return .notReady(readyReason) }
        if let penalty, now < penalty.until { return penalty.reason }
        return nil
    }

    /// Draws the consequences of a changed condition.
    mutating func reconsider(at now: Instant, _ actions: inout Actions) {
        // Also while the group keeps us out, or its end would be due for ever.
        if let ended = penalty?.until, now >= ended { penalty = nil }
        let obstacle = obstacle(at: now)
        switch (state, obstacle) {
        case (.initialize, let reason?): state = .initialize(reason)
        case (.initialize, nil):
            // 6.4.1 (150): not the owner, so Active_Adver_Interval is our own, and Backup.
            penalty = nil
            move(to: .backup(listening(at: now)), .prepared, &actions)
        case (_, let reason?): leave(.initialize(reason), .idle(reason), &actions)
        case (_, nil): break
        }
    }

    /// Gives up whatever is held, telling the others at once (6.4.2 (310), 6.4.3 (655): Shutdown).
    mutating func leave(_ next: State, _ cause: Cause, _ actions: inout Actions) {
        if role == .active { advertise(0, &actions) }
        if wantsAddresses || parting != nil { release(&actions) }
        move(to: next, cause, &actions)
    }

    mutating func start(holding: Bool, at now: Instant, _ actions: inout Actions) {
        guard !isStarted else { return }
        isStarted = true
        holdsAddresses = holding
        guard holding else { return reconsider(at: now, &actions) }
        if obstacle(at: now) == nil {
            // Our predecessor was killed a moment ago and the peers still wait. Keep serving, but listen first.
            counters.adoptions += 1
            move(to: .active(listeningActive(at: now, .adopted)), .adopted, &actions)
        } else {
            release(&actions)
            reconsider(at: now, &actions)
        }
    }

    mutating func stepDown(for duration: Duration?, _ isForced: Bool, at now: Instant, _ actions: inout Actions) {
        partingOutcome = nil
        // Whoever asks for two hours without the addresses asks for two hours at the other host, and not for two hours of
        // nobody.
        hold = Hold(
            until: now + min(duration ?? Bounds.stepDownHold, Bounds.stepDownHold),
            preemptUntil: duration.map { now + $0 }, keepsUntaken: !isForced)
        if wantsAddresses { part(.steppedDown, at: now, &actions) }
    }

    mutating func changeSource(_ address: IPAddress?, at now: Instant, _ actions: inout Actions) {
        precondition(address.map { $0.family == settings.family } ?? true, "a source address of the other family")
        guard address != source else { return }
        if address == nil, role == .active {
            // There is nothing to send from any more, so no farewell either.
            source = nil
            release(&actions)
            move(to: .initialize(.noSourceAddress), .idle(.noSourceAddress), &actions)
            return
        }
        source = address
        reconsider(at: now, &actions)
        // The others should know the new address before the old one has been silent for long.
        if case .active(var active) = state, active.phase.isTruth {
            advertiseNow(&active, at: now, &actions)
            state = .active(active)
        }
    }

    /// Takes the priority that follows from the sum of weights, whatever the role.
    mutating func changeWeight(_ sum: Int, at now: Instant, _ actions: inout Actions) {
        weight = sum
        let priority = Tracking.priority(basePriority, weight: sum)
        guard priority != settings.priority else { return }
        let old = settings
        settings.priority = priority
        counters.priorityChanges += 1
        switch state {
        case .initialize, .claiming: break
        case .backup(var backup):
            // 6.1: the skew follows the priority; what was heard and learned stays.
            guard case .silence = backup.expectation, backup.waiting == nil else { return }
            backup.deadline += settings.skew(interval: backup.interval) - old.skew(interval: backup.interval)
            state = .backup(backup)
        case .active(var active):
            guard active.phase.isTruth else { return }
            advertiseNow(&active, at: now, &actions)
            state = .active(active)
        }
    }

    /// After the interval was raised, the peers still wait for the old one until an advert with the new one arrives.
    /// As many as they would miss before taking over go out at the old pace, so that losing some of them is harmless.
    private func keepPace(_ active: inout Active, from old: Duration) {
        let pace = min(active.oldPace?.interval ?? old, old)
        active.oldPace = settings.interval > pace ? Pace(interval: pace, left: settings.downTimerAdverts) : nil
    }

    mutating func configure(_ new: Settings, at now: Instant, _ actions: inout Actions) {
        precondition(new.family == settings.family && new.routerID == settings.routerID, "another identity")
        let old = settings
        basePriority = new.priority
        settings = new
        settings.priority = new.priority(weight: weight)
        penalty = nil
        switch state {
        case .initialize: reconsider(at: now, &actions)
        case .backup(var backup):
            // What was learned stays learned; who has heard nobody yet waits no longer than the new settings say.
            if backup.heard == nil {
                let fresh = listening(at: now)
                backup.interval = fresh.interval
                backup.deadline = min(backup.deadline, fresh.deadline)
                state = .backup(backup)
            }
            resume(at: now, &actions)
        case .claiming(var claiming):
            claiming.attempt = claim(&actions)
            state = .claiming(claiming)
        case .active(var active):
            let sameAddresses = old.addresses == new.addresses && old.unadvertised == new.unadvertised
            if active.phase.isTruth {
                active.phase = .reconciling(claim(&actions), deadline: now + Bounds.claimTimeout)
                // The others learn new values before the old interval has passed.
                if old != settings {
                    keepPace(&active, from: old.interval)
                    advertiseNow(&active, at: now, &actions)
                }
            } else if case .repairing = active.phase {
                active.phase = .repairing(claim(&actions), deadline: now + Bounds.claimTimeout)
            }
            if !sameAddresses { active.announceWhenShown = true }
            state = .active(active)
        }
    }
}
