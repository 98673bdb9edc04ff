// One configuration after another: the vote of the children.

import Control
import Wire

extension Supervision {
    mutating func beginReload(_ roles: Set<Role>, _ generation: UInt64, at now: Instant) {
        precondition(reload == .none, "a reload within a reload")
        guard !isStopping else {
            end(.refused(generation: generation, reason: "the daemon is stopping"))
            return
        }
        let voters = wanted.intersection(roles).filter(isServing)
        guard !voters.isEmpty else {
            commit(roles, generation, voters: [], at: now)
            return
        }
        reload = .preparing(
            generation: generation, roles: roles, asked: voters, missing: voters, deadline: now + Limits.reload)
        for role in voters.sorted() { actions.append(.prepare(role, generation: generation)) }
    }

    private mutating func end(_ outcome: ReloadOutcome) {
        reload = .none
        actions.append(.reloadEnded(outcome))
    }

    /// Cancels a reload that has not been committed.
    mutating func abandonReload(reason: String) {
        switch reload {
        case .none: return
        case .preparing(let generation, _, let asked, _, _):
            for role in asked.sorted() where isLive(role) { actions.append(.cancel(role, generation: generation)) }
            end(.refused(generation: generation, reason: reason))
        case .committing(let generation, _, _): end(.committed(generation: generation))
        }
    }

    private mutating func commit(_ roles: Set<Role>, _ generation: UInt64, voters: Set<Role>, at now: Instant) {
        let dismissed = wanted.subtracting(roles)
        wanted = roles
        self.generation = generation
        for role in voters.sorted() { actions.append(.commit(role, generation: generation)) }
        for role in dismissed { dismiss(role, at: now) }
        for role in roles.subtracting(voters).sorted() {
            // A follower waits for the balancer as at the first start.
            guard role == .balancer || isServing(.balancer) || children[role]?.state != .idle else { continue }
            revive(role, at: now)
        }
        reload = .committing(generation: generation, missing: voters, deadline: now + Limits.reload)
        if voters.isEmpty { end(.committed(generation: generation)) }
    }

    private mutating func dismiss(_ role: Role, at now: Instant) {
        switch children[role]?.state {
        case .starting, .serving:
            let deadline = now + (role == .vip ? vipStop : Limits.stop)
            children[role]?.state = .stopping(killAt: deadline)
            actions.append(.stop(role, deadline: deadline))
        case .waiting: children[role]?.state = .idle
        case .succeeding:
            children[role]?.state = .idle
            actions.append(.abandon(role))
        case .idle, .stopping, .killed, nil: break
        }
    }

    // MARK: Answers

    mutating func prepared(_ role: Role, _ generation: UInt64, at now: Instant) {
        if case .starting(generation, _, _) = children[role]?.state {
            actions.append(.commit(role, generation: generation))
            return
        }
        guard case .preparing(generation, let roles, let asked, var missing, let deadline) = reload,
            missing.remove(role) != nil
        else { return }
        if missing.isEmpty {
            commit(roles, generation, voters: asked, at: now)
        } else {
            reload = .preparing(
                generation: generation, roles: roles, asked: asked, missing: missing, deadline: deadline)
        }
    }

    mutating func refused(_ role: Role, _ generation: UInt64, _ reason: String, at now: Instant) {
        if case .starting(generation, _, _) = children[role]?.state {
            actions.append(.report(.refusedToStart(role, reason: reason)))
            // Nothing was ever served: the operator waits for an answer, not for retries.
            if isReady { kill(role) } else { fail(reason, at: now) }
            return
        }
        switch reload {
        case .preparing(generation, _, _, _, _): abandonReload(reason: reason)
        case .committing(generation, _, _):
            // It promised and cannot keep it: a new process begins with the committed generation.
            actions.append(.report(.refusedToStart(role, reason: reason)))
            kill(role)
        default: break
        }
    }

    /// A child lives by the new generation.
    mutating func committed(_ role: Role, _ generation: UInt64) {
        guard case .committing(generation, var missing, let deadline) = reload else { return }
        missing.remove(role)
        if missing.isEmpty {
            end(.committed(generation: generation))
        } else {
            reload = .committing(generation: generation, missing: missing, deadline: deadline)
        }
    }

    mutating func lostDuringReload(_ role: Role, how: String, at now: Instant) {
        switch reload {
        case .preparing(_, _, _, let missing, _) where missing.contains(role):
            abandonReload(reason: "\(role.rawValue) ended while it prepared: \(how)")
        case .preparing(let generation, let roles, var asked, let missing, let deadline):
            // Its vote stands; its successor starts with what is committed then.
            asked.remove(role)
            reload = .preparing(
                generation: generation, roles: roles, asked: asked, missing: missing, deadline: deadline)
        case .committing(let generation, _, _): committed(role, generation)
        case .none: break
        }
    }

    mutating func reloadTimeout(at now: Instant) {
        switch reload {
        case .preparing(_, _, _, let missing, let deadline) where deadline <= now:
            let names = missing.sorted().map(\.rawValue).joined(separator: " and ")
            abandonReload(reason: "\(names) did not answer within \(Limits.reload.text)")
        case .committing(let generation, let missing, let deadline) where deadline <= now:
            for role in missing.sorted() where isLive(role) {
                actions.append(.report(.late(role)))
                kill(role)
            }
            end(.committed(generation: generation))
        default: break
        }
    }
}
