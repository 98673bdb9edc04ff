// Active: hold the addresses, advertise, and settle with others who do the same (RFC 9568, 6.4.3).

import Wire

extension VirtualRouter {
    /// An active router that is silent for a moment, to hear whether another is active.
    func listeningActive(at now: Instant, _ cause: Cause) -> Active {
        Active(phase: .listening(until: listeningEnd(at: now)), since: now, cause: cause, nextAdvert: now)
    }

    /// Long enough for one advertisement of another active router, and staggered like every claim.
    private func listeningEnd(at now: Instant) -> Instant {
        now + settings.interval + settings.skew(interval: settings.interval)
    }

    /// Whether a peer may have taken over: we were silent for as long as the most eager one waits, its skew being 0.
    private func mayBeReplaced(_ active: Active, at now: Instant) -> Bool {
        guard let last = active.lastAdvert else { return true }
        return now - last >= pace(of: active) * settings.downTimerAdverts
    }

    /// The interval the peers reckon with.
    private func pace(of active: Active) -> Duration { active.oldPace?.interval ?? settings.interval }

    /// Whether every peer has had reason to take over: the most patient one's skew has passed too.
    ///
    /// In between, speaking at once keeps the peers from taking over. Who already has done so has spoken, and the shell
    /// reads its sockets empty before it calls us.
    private func mustBeReplaced(_ active: Active, at now: Instant) -> Bool {
        guard let last = active.lastAdvert else { return true }
        let longestSkew = settings.version == .two ? .seconds(1) : pace(of: active)
        return now - last >= pace(of: active) * settings.downTimerAdverts + longestSkew
    }

    mutating func heardWhileActive(
        _ active: Active, _ advertisement: Advertisement, from: IPAddress, at now: Instant, _ actions: inout Actions
    ) {
        var active = active
        let priority = advertisement.priority
        let wins = wins(priority, from: from)
        let stalled = priority > 0 && mayBeReplaced(active, at: now)
        if wins || stalled {
            counters.yields += 1
            if stalled { counters.stallYields += 1 }
            // A last word, so that the winner hears a loser and announces again: our neighbours may still believe our
            // announcements. Where our priority would make the other one yield, the word is a farewell.
            advertise(wins && active.phase.isTruth ? settings.priority : 0, &actions)
            release(&actions)
            move(
                to: .backup(following(advertisement, from: from, at: now)),
                stalled ? .yieldedAfterStall(to: from, priority: priority) : .yielded(to: from, priority: priority),
                &actions)
            return
        }
        guard active.phase.isTruth else { return }
        // 6.4.3 (705): a farewell is answered at once. (760): so is a lower priority, and the addresses are announced
        // again, because the loser may have announced last.
        counters.losersHeard += 1
        if priority > 0 { loserHeardAt = now }
        // Two routers that each take the other for the loser, as behind an address translation, would answer each
        // other's answers as fast as the network carries them.
        if priority > 0, let last = active.lastAdvert, now - last < settings.interval / 4 {
            counters.answersSpared += 1
            announceAgain(&active, at: now, &actions)
        } else {
            reassert(&active, at: now, &actions)
        }
        state = .active(active)
    }

    /// Says at once who is active, to routers and to neighbours.
    mutating func reassert(_ active: inout Active, at now: Instant, _ actions: inout Actions) {
        advertiseNow(&active, at: now, &actions)
        announceAgain(&active, at: now, &actions)
    }

    private mutating func announceAgain(_ active: inout Active, at now: Instant, _ actions: inout Actions) {
        if let last = active.lastAnnouncement, now - last < Bounds.announcementGap {
            counters.announcementsSpared += 1
            active.rounds = AnnouncementRounds(since: now, next: settings.announceRepeats)
        } else {
            announceNow(&active, at: now, &actions)
        }
    }

    mutating func activeTimers(_ active: Active, at now: Instant, _ actions: inout Actions) {
        var active = active
        switch active.phase {
        case .listening(let until):
            guard now >= until else { return }
            if now - until > settings.interval {
                // We slept again; what was heard meanwhile is not known.
                active.phase = .listening(until: listeningEnd(at: now))
            } else {
                active.phase = .repairing(claim(&actions), deadline: now + Bounds.claimTimeout)
            }
        case .repairing(_, let deadline):
            if now >= deadline { claimFailed(.claimTimedOut, at: now, &actions) }
            return
        case .reconciling(_, let deadline) where now >= deadline:
            return claimFailed(.claimTimedOut, at: now, &actions)
        case .shown, .reconciling:
            if now >= active.nextAdvert {
                if mustBeReplaced(active, at: now) {
                    counters.stalls += 1
                    active.phase = .listening(until: listeningEnd(at: now))
                    break
                }
                // 6.4.3 (685): Adver_Timer.
                advertiseNow(&active, at: now, &actions)
            }
            if let due = announcementDue(active), now >= due {
                active.lastAnnouncement = now
                announce(&actions)
                // After a sleep the rounds that were missed are one.
                while let due = announcementDue(active), now >= due { active.rounds?.next += 1 }
            }
        }
        state = .active(active)
    }

    /// When an active router wants to be called.
    func nextDeadline(of active: Active) -> Instant {
        switch active.phase {
        case .listening(let until): return until
        case .repairing(_, let deadline): return deadline
        case .reconciling(_, let deadline):
            return min(deadline, active.nextAdvert, announcementDue(active) ?? .distantFuture)
        case .shown: return min(active.nextAdvert, announcementDue(active) ?? .distantFuture)
        }
    }

    /// Advertises and sets Adver_Timer.
    mutating func advertiseNow(_ active: inout Active, at now: Instant, _ actions: inout Actions) {
        advertise(settings.priority, &actions)
        active.lastAdvert = now
        active.nextAdvert = now + pace(of: active)
        if let pace = active.oldPace {
            active.oldPace = pace.left > 1 ? Pace(interval: pace.interval, left: pace.left - 1) : nil
        }
    }

    /// Announces now, so many times in short order as the settings say, again after 1 s and 5 s, and then as often as
    /// the settings want a refresh.
    mutating func announceNow(_ active: inout Active, at now: Instant, _ actions: inout Actions) {
        announce(&actions)
        active.lastAnnouncement = now
        active.rounds = AnnouncementRounds(since: now, next: 1)
    }

    /// When the next round of announcements is due; `nil`: none is.
    private func announcementDue(_ active: Active) -> Instant? {
        guard let rounds = active.rounds else { return nil }
        switch rounds.next - settings.announceRepeats {
        case ..<0: return rounds.since + Bounds.announcementSpacing * rounds.next
        case 0: return rounds.since + Bounds.announceAgain.0
        case 1: return rounds.since + Bounds.announceAgain.1
        case let late: return settings.announceRefresh.map { rounds.since + Bounds.announceAgain.1 + $0 * (late - 1) }
        }
    }

    /// A device of our addresses has another MAC address or a new link: what the neighbours know may be wrong.
    mutating func neighboursMisled(at now: Instant, _ actions: inout Actions) {
        guard case .active(var active) = state else { return }
        if active.phase.isTruth {
            counters.devicesRenewed += 1
            announceNow(&active, at: now, &actions)
        } else {
            active.announceWhenShown = true
        }
        state = .active(active)
    }
}
