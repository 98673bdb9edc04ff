// When the keeper passes an order on, ends a supervisor that hangs, or leaves: decided on virtual time, without a process.

package import Wire

/// What the process the service manager knows does while the supervisor, its child, does everything else.
///
/// A supervisor that dies is followed by another, which its holder starts (`docs/survival.md`). The keeper stays: it is the
/// parent of whoever is left without one, so that the service manager sees neither a death nor another number. It leaves
/// when the supervisor has ended in order, or when nobody is there to bring another.
package struct Keeping: Sendable, Hashable {
    /// Bounds of patience.
    package enum Limits {
        /// A supervisor that says nothing for so long is killed; it says something every ``word``.
        package static let silence: Duration = .seconds(4)
        /// The same for one that has said nothing yet.
        package static let firstWord: Duration = .seconds(30)
        /// How often a supervisor says that it lives.
        package static let word: Duration = .milliseconds(500)
        /// How often the keeper looks.
        package static let look: Duration = .milliseconds(100)
        /// When the keeper itself looked so late, it heard nobody: the supervisor gets another ``silence``.
        package static let ownStall: Duration = .seconds(1)
        /// A dead supervisor's holder brings another within this time, or nobody does.
        package static let succession: Duration = .seconds(60)
    }

    /// What there is at one moment.
    package struct Sight: Sendable, Hashable {
        /// The process that is in charge, or was.
        package var supervisor: Int32
        package var isSupervisorAlive: Bool
        package var isHolderAlive: Bool
        /// The supervisor has said that nothing follows it.
        package var hasEnded: Bool

        package init(supervisor: Int32, isSupervisorAlive: Bool, isHolderAlive: Bool, hasEnded: Bool) {
            self.supervisor = supervisor
            self.isSupervisorAlive = isSupervisorAlive
            self.isHolderAlive = isHolderAlive
            self.hasEnded = hasEnded
        }
    }

    /// What happened.
    package enum Event: Sendable, Hashable {
        /// The supervisor said something.
        case heard
        /// Looked around; due every ``Limits/look``.
        case seen(Sight)
        /// Somebody sent this process a signal that is meant for the supervisor; `isLasting`: for its successor, too.
        case ordered(Int32, isLasting: Bool)
    }

    /// What to do about it.
    package enum Action: Sendable, Hashable {
        /// Send a process this signal.
        case signal(Int32, to: Int32)
        /// It hangs.
        case kill(Int32)
        /// Tell the service manager that the daemon lives: nobody else does, and this machine's own bounds are not over.
        case vouch
        /// Nothing is left to keep. Not in order: the supervisor is gone, and nobody brings another.
        case leave(isInOrder: Bool)
    }

    private var supervisor: Int32
    private var isAlive = true
    private var silentAt: Instant
    private var hasSpoken: Bool
    private var vouchedAt: Instant?
    private var lastLook: Instant
    private var diedAt: Instant?
    private var order: Int32?
    private var hasLeft = false

    /// - Parameter hasSpoken: the supervisor has served under another keeper.
    package init(supervisor: Int32, hasSpoken: Bool = false, at now: Instant) {
        self.supervisor = supervisor
        silentAt = now + (hasSpoken ? Limits.silence : Limits.firstWord)
        self.hasSpoken = hasSpoken
        lastLook = now
    }

    /// Takes notice of what happened, and says what to do about it.
    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        guard !hasLeft else { return [] }
        switch event {
        case .heard:
            hasSpoken = true
            silentAt = now + Limits.silence
            return []
        case .ordered(let signal, let isLasting):
            if isLasting { order = signal }
            return isAlive ? [.signal(signal, to: supervisor)] : []
        case .seen(let sight): return seen(sight, at: now)
        }
    }

    private mutating func seen(_ sight: Sight, at now: Instant) -> [Action] {
        defer { lastLook = now }
        isAlive = sight.isSupervisorAlive
        var actions: [Action] = []
        if sight.supervisor != supervisor {
            supervisor = sight.supervisor
            silentAt = now + Limits.firstWord
            hasSpoken = false
            // It knows nothing of what the one before it was told.
            if let order, isAlive { actions.append(.signal(order, to: supervisor)) }
        }
        guard isAlive else {
            let since = diedAt ?? now
            diedAt = since
            if sight.hasEnded { return leave(isInOrder: true) }
            if !sight.isHolderAlive || now - since >= Limits.succession { return leave(isInOrder: false) }
            return vouch(at: now)
        }
        diedAt = nil
        if now - lastLook >= Limits.ownStall { silentAt = max(silentAt, now + Limits.silence) }
        if silentAt <= now {
            silentAt = now + Limits.silence
            actions.append(.kill(supervisor))
        }
        return hasSpoken ? actions : actions + vouch(at: now)
    }

    /// A supervisor that is missing, or begins, says nothing to the service manager, which is less patient than ``Limits``.
    private mutating func vouch(at now: Instant) -> [Action] {
        if let vouchedAt, now - vouchedAt < Limits.word { return [] }
        vouchedAt = now
        return [.vouch]
    }

    private mutating func leave(isInOrder: Bool) -> [Action] {
        hasLeft = true
        return [.leave(isInOrder: isInOrder)]
    }
}
