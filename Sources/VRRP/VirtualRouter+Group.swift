// A router as a member of a group: how it stands, and what the group tells it.

package import Wire

extension VirtualRouter {
    /// How a member stands, as far as its group cares.
    package enum Standing: Equatable, Sendable {
        /// It cannot take part, for a reason of its own.
        case unable(String)
        /// It could, but the group does not let it.
        case barred
        /// It listens. `hearsAnother`: because another router is active; otherwise its time has not come.
        case following(hearsAnother: Bool)
        /// Its time has come, and it waits for the others.
        case willing
        /// It has asked the kernel for the addresses.
        case claiming
        /// It holds the addresses.
        case active
    }

    /// What a group tells a member.
    package enum GroupOrder: Equatable, Sendable {
        /// Take part, and wait for ``claim`` when your time comes.
        case listen
        /// Everybody's time has come.
        case claim
        /// Somebody cannot take part, so nobody does.
        case bar(String)
        /// Somebody had to give way, so everybody does. `extraIntervals`: listen so many intervals longer than usual.
        case withdraw(String, extraIntervals: Int)
    }

    /// How this router stands.
    package func standing(at now: Instant) -> Standing {
        if let reason = ownObstacle(at: now) { return .unable("\(reason)") }
        switch state {
        case .initialize(let reason): return groupBar == nil ? .unable("\(reason)") : .barred
        case .backup(let backup):
            if backup.waiting == .group { return .willing }
            // Who waits for something when its timer has fired hears nobody any more.
            let isHeard = backup.heard != nil && backup.waiting == nil
            return .following(hearsAnother: isHeard || backup.waiting == .secondPath)
        case .claiming: return .claiming
        case .active: return .active
        }
    }

    mutating func obey(_ order: GroupOrder, at now: Instant, _ actions: inout Actions) {
        switch order {
        case .listen:
            groupBar = nil
            mayClaim = false
            reconsider(at: now, &actions)
        case .claim:
            mayClaim = true
            resume(at: now, &actions)
            // Something else has come between, and the group hears of it: its order does not outlive this moment.
            if role == .backup { mayClaim = false }
        case .bar(let reason):
            groupBar = reason
            mayClaim = false
            reconsider(at: now, &actions)
        case .withdraw(let reason, let extra):
            mayClaim = false
            switch state {
            case .initialize: break
            case .claiming, .active:
                var backup = listening(at: now)
                backup.deadline += settings.interval * extra
                part(to: backup, .withdrawn(reason), at: now, &actions)
            case .backup(var backup):
                guard backup.heard == nil || backup.waiting == .group, extra > 0 else { return }
                let fresh = listening(at: now)
                backup.deadline = fresh.deadline + settings.interval * extra
                backup.waiting = nil
                state = .backup(backup)
            }
        }
    }
}
