// Starting, believing, killing and stopping children.

import Control
import Wire

extension Supervision {
    mutating func start(_ roles: Set<Role>, _ generation: UInt64, at now: Instant) {
        precondition(wanted.isEmpty, "started twice")
        wanted = roles
        self.generation = generation
        // The others follow when the balancer serves.
        spawn(.balancer, at: now)
    }

    mutating func spawn(_ role: Role, at now: Instant) {
        children[role]?.state = .starting(
            generation: generation, silentAt: now + Limits.firstBeat, lateAt: now + Limits.start)
        actions.append(.spawn(role, generation: generation))
        if Role.allCases.allSatisfy(isLive) { actions.append(.link) }
    }

    mutating func kill(_ role: Role) {
        let since = servingSince(children[role]?.state)
        children[role]?.state = .killed(since: since)
        actions.append(.kill(role))
    }

    /// When a child in that state began to serve.
    private func servingSince(_ state: State?) -> Instant? {
        switch state {
        case .serving(_, _, let since): since
        case .killed(let since): since
        case .idle, .waiting, .succeeding, .starting, .stopping, nil: nil
        }
    }

    /// Brings a child to life with the committed generation, now.
    mutating func revive(_ role: Role, at now: Instant) {
        // Another configuration is another chance.
        children[role]?.deaths = 0
        switch children[role]?.state {
        case .idle, .waiting: spawn(role, at: now)
        // What it prepares is out of date.
        case .starting: kill(role)
        case .serving, .succeeding, .stopping, .killed, nil: break
        }
    }

    // MARK: Signs of life

    mutating func beat(_ role: Role, at now: Instant) {
        switch children[role]?.state {
        case .starting(let generation, _, let lateAt):
            // Still busy with what it finds: large tables, many listeners.
            children[role]?.state = .starting(
                generation: generation, silentAt: now + Limits.firstBeat, lateAt: lateAt)
        case .serving(let generation, _, let since):
            children[role]?.state = .serving(generation: generation, silentAt: now + Limits.silence, since: since)
        case .idle, .waiting, .succeeding, .stopping, .killed, nil: break
        }
    }

    mutating func serving(_ role: Role, _ generation: UInt64, at now: Instant) {
        let silentAt = now + Limits.silence
        switch children[role]?.state {
        case .starting(generation, _, _):
            children[role]?.state = .serving(generation: generation, silentAt: silentAt, since: now)
            if role == .balancer { startFollowers(at: now) }
            if !isReady, wanted.allSatisfy(isServing) {
                isReady = true
                actions.append(.ready)
            }
        case .serving(_, _, let since):
            children[role]?.state = .serving(generation: generation, silentAt: silentAt, since: since)
            committed(role, generation)
        case .starting, .idle, .waiting, .succeeding, .stopping, .killed, nil: break
        }
    }

    /// Starts the children that waited for the balancer's first service.
    private mutating func startFollowers(at now: Instant) {
        for role in wanted.sorted() where role != .balancer && children[role]?.state == .idle { spawn(role, at: now) }
    }

    // MARK: Death

    mutating func ended(_ role: Role, how: String, at now: Instant) {
        guard var child = children[role] else { return }
        let former = child.state
        child.lastEnding = how
        child.state = .idle
        children[role] = child
        switch former {
        case .idle, .waiting: return
        case .stopping:
            if isStopping {
                stopNext(at: now)
            } else if wanted.contains(role) {
                // Dismissed by one reload, wanted again by the next.
                spawn(role, at: now)
            }
            return
        case .starting, .serving, .killed, .succeeding: break
        }
        lostDuringReload(role, how: how, at: now)
        if isStopping {
            // The address may go while sessions end; without the balancer there are none.
            if role == .balancer { drainsUntil = nil }
            if drainsUntil == nil { stopNext(at: now) }
            return
        }
        guard wanted.contains(role) else { return }
        if child.isReplaced {
            children[role]?.isReplaced = false
            actions.append(.report(.replaced(role)))
            spawn(role, at: now)
            return
        }
        if let since = servingSince(former), now - since >= Limits.stable { child.deaths = 0 }
        child.deaths = child.givenUp == nil ? child.deaths + 1 : max(child.deaths + 1, Limits.rowOfDeaths)
        child.givenUp = nil
        child.restarts += 1
        let pause = Limits.pauses[min(child.deaths, Limits.pauses.count) - 1]
        child.state = .waiting(until: now + pause)
        children[role] = child
        actions.append(.report(.ended(role, how: how)))
        if child.deaths == Limits.pauses.count { actions.append(.report(.crashLoop(role))) }
        actions.append(.report(.restarting(role, after: pause)))
        if pause == .zero { spawn(role, at: now) }
    }

    // MARK: Succession

    /// It died, and what is left of it brings another.
    mutating func orphaned(_ role: Role, how: String, at now: Instant) {
        guard !isStopping, wanted.contains(role), var child = children[role] else {
            ended(role, how: how, at: now)
            return
        }
        switch child.state {
        case .starting, .serving, .killed: break
        case .idle, .waiting, .succeeding, .stopping:
            ended(role, how: how, at: now)
            return
        }
        child.state = .succeeding(until: now + Limits.succession)
        let isWanted = child.isReplaced
        child.isReplaced = false
        if !isWanted {
            child.lastEnding = how
            child.restarts += 1
        }
        children[role] = child
        lostDuringReload(role, how: how, at: now)
        actions.append(.report(isWanted ? .replaced(role) : .ended(role, how: how)))
    }

    /// It lives, and knows nothing of what was said to its predecessor.
    mutating func succeeded(_ role: Role, at now: Instant) {
        guard case .succeeding = children[role]?.state else { return }
        children[role]?.state = .starting(
            generation: generation, silentAt: now + Limits.firstBeat, lateAt: now + Limits.start)
        actions.append(.report(.succeeded(role)))
        actions.append(.prepare(role, generation: generation))
        if Role.allCases.allSatisfy(isLive) { actions.append(.link) }
    }

    /// Nobody came: it is started as if it had nothing to inherit.
    mutating func abandonSuccession(_ role: Role, how: String, at now: Instant) {
        actions.append(.abandon(role))
        ended(role, how: how, at: now)
    }

    // MARK: Replacement

    /// Has a child that serves make room for another process.
    mutating func replace(_ role: Role) {
        guard isServing(role), !isStopping else { return }
        children[role]?.isReplaced = true
        actions.append(.replace(role))
    }

    /// What replaces it did not serve in time.
    mutating func keep(_ role: Role) {
        children[role]?.isReplaced = false
        guard case .starting = children[role]?.state else { return }
        actions.append(.report(.late(role)))
        kill(role)
    }

    // MARK: Time

    mutating func timeout(at now: Instant) {
        if let deadline = nextDeadline, now - deadline > Limits.ownStall { forgiveSilence(at: now) }
        if let until = drainsUntil, until <= now { endDrain(at: now) }
        for role in Role.allCases {
            switch children[role]?.state {
            case .waiting(let until) where until <= now: spawn(role, at: now)
            case .succeeding(let until) where until <= now:
                abandonSuccession(role, how: "no successor came in time", at: now)
            case .starting(_, let silentAt, _) where silentAt <= now: killSilent(role)
            case .serving(_, let silentAt, _) where silentAt <= now: killSilent(role)
            case .starting(_, _, let lateAt) where lateAt <= now:
                actions.append(.report(.late(role)))
                kill(role)
            case .stopping(let killAt) where killAt <= now: kill(role)
            default: break
            }
        }
        reloadTimeout(at: now)
    }

    private mutating func killSilent(_ role: Role) {
        actions.append(.report(.silent(role)))
        kill(role)
    }

    /// This process slept, so that it could not hear anybody.
    private mutating func forgiveSilence(at now: Instant) {
        for role in Role.allCases { beat(role, at: now) }
    }

    // MARK: The end

    /// - Parameter time: how long sessions may take to end before anything else does; `nil`: nothing waits for them.
    mutating func stop(drain time: Duration?, at now: Instant) {
        guard !isStopping else {
            // Told twice: there is no more patience.
            if drainsUntil != nil, time == nil { endDrain(at: now) }
            return
        }
        isStopping = true
        abandonReload(reason: "the daemon is stopping")
        for role in Role.allCases {
            switch children[role]?.state {
            case .waiting: children[role]?.state = .idle
            case .succeeding:
                // Whoever comes finds the socket closed, and ends.
                children[role]?.state = .idle
                actions.append(.abandon(role))
            default: break
            }
        }
        guard let time, isServing(.balancer) else { return stopNext(at: now) }
        drainsUntil = now + time + Limits.drainGrace
        actions.append(.drain(.balancer, deadline: now + time))
    }

    mutating func drained(_ role: Role, at now: Instant) {
        if role == .balancer, drainsUntil != nil { endDrain(at: now) }
    }

    private mutating func endDrain(at now: Instant) {
        drainsUntil = nil
        stopNext(at: now)
    }

    /// Tells one child at a time to end: first who holds the address, then who serves it.
    private mutating func stopNext(at now: Instant) {
        for role in [Role.vip, .balancer] {
            switch children[role]?.state {
            case .starting, .serving:
                let deadline = now + (role == .balancer ? balancerStop : vipStop)
                children[role]?.state = .stopping(killAt: deadline)
                actions.append(.stop(role, deadline: deadline))
                return
            case .stopping, .killed: return
            case .idle, .waiting, .succeeding, nil: continue
            }
        }
        actions.append(.finished(status: failure == nil ? 0 : 1))
    }

    /// Ends the daemon because the first configuration cannot be had.
    mutating func fail(_ reason: String, at now: Instant) {
        failure = reason
        stop(drain: nil, at: now)
    }
}
