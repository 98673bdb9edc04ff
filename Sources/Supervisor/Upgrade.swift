// Moving to another program step by step, and back when it is no good: decided on virtual time, without a process.

package import Control
package import Wire

/// One upgrade, from the operator's order to the moment the supervisor itself becomes the new program.
///
/// ```
///   probing ──▶ replacing balancer ──▶ replacing vip ──▶ watching ──▶ rehearsing ──▶ executed
///      │               │                     │               │             │
///      └── refused ◀───┴── what was replaced goes back to the known program ◀┘
/// ```
///
/// The new program is asked first what it can take over; nothing has changed until then. Then it is tried where it is
/// easiest to leave again: as the balancer, whose holder brings the known program back by itself, then as `vip`, which is
/// started again within the time its peers wait. Only a program that has done both for ``Limits/probation``, and has read the
/// supervisor's own state without a complaint, becomes the supervisor.
package struct Upgrade: Sendable, Hashable {
    package typealias Role = ChildProcess.Role

    /// Bounds of patience.
    package enum Limits {
        /// The new program says what it is within this time.
        package static let probe: Duration = .seconds(5)
        /// A child that is replaced serves within this time.
        package static let replacement: Duration = .seconds(15)
        /// The new program serves so long before it is believed.
        package static let probation: Duration = .seconds(2)
        /// It has been the supervisor so long before the one before it is let go.
        package static let supervision: Duration = .seconds(3)
        /// It reads the supervisor's state within this time.
        package static let rehearsal: Duration = .seconds(5)
    }

    /// What the new program can do.
    package enum Verdict: Sendable, Hashable {
        case compatible
        /// It would not understand what this one leaves; why.
        case incompatible(String)
        /// It does not run, or does not take the configuration; why.
        case unfit(String)
    }

    /// What happened.
    package enum Event: Sendable, Hashable {
        case probed(Verdict)
        /// A child serves.
        ///
        /// - Parameter isNew: it is not the program the supervisor runs.
        case serving(Role, isNew: Bool)
        /// A child has ended and that was not wanted.
        case died(Role)
        /// The new program has tried to read the state; why it could not, `nil`: it could.
        case rehearsed(String?)
        /// ``nextDeadline`` has come.
        case timeout
    }

    /// What to do, in this order.
    package enum Action: Sendable, Hashable {
        /// Ask the program what it is.
        case probe
        /// Have this child replaced; children are started from the new program from now on, or from the known one again.
        case replace(Role, withNew: Bool)
        /// Whoever is started from now on is the known program.
        case useKnown
        /// Forget that this child was to be replaced, and end what has come in its place and does not serve.
        case keep(Role)
        /// End the balancer that is on probation: its holder brings the known program back.
        case returnBalancer
        case rehearse
        /// Tell the balancer that it is kept, then become the new program.
        case execute
        /// Drain, stop everything, then become the new program.
        case drain
        /// The known program goes on with everything; why.
        case refuse(String)
    }

    enum State: Sendable, Hashable {
        case probing(until: Instant)
        case replacing(Role, until: Instant)
        case watching(until: Instant)
        case rehearsing(until: Instant)
        case over
    }

    private(set) var state: State
    /// Children that there are.
    private let roles: Set<Role>
    /// What cannot be handed over is drained.
    private let drains: Bool
    /// Children that are the new program.
    private var replaced: Set<Role> = []

    /// - Parameters:
    ///   - roles: the children that serve.
    ///   - drains: a program that cannot take over is started after a drain instead of being refused.
    package init(roles: Set<Role>, drains: Bool, at now: Instant) {
        self.roles = roles
        self.drains = drains
        state = .probing(until: now + Limits.probe)
    }

    /// When ``Event/timeout`` is due.
    package var nextDeadline: Instant? {
        switch state {
        case .probing(let until), .replacing(_, let until), .watching(let until), .rehearsing(let until): until
        case .over: nil
        }
    }

    package var isOver: Bool { state == .over }

    /// What the upgrade is doing, for the status.
    package var phase: String {
        switch state {
        case .probing: "asking the new program"
        case .replacing(let role, _): "replacing the \(role.rawValue)"
        case .watching: "watching the new program"
        case .rehearsing: "rehearsing"
        case .over: "over"
        }
    }

    /// Takes notice of what happened, and says what to do about it.
    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch (event, state) {
        case (.probed(let verdict), .probing): return probed(verdict, at: now)
        case (.serving(let role, let isNew), .replacing(let wanted, _)) where role == wanted:
            guard isNew else { return giveUp("the new \(role.rawValue) did not take over; the known one goes on") }
            replaced.insert(role)
            if role == .balancer, roles.contains(.vip) { return replace(.vip, at: now) }
            state = .watching(until: now + Limits.probation)
            return []
        // It came back by itself, before its death was heard of.
        case (.serving(.balancer, false), .watching), (.serving(.balancer, false), .rehearsing):
            replaced.remove(.balancer)
            return giveUp("the new balancer died, and the known one came back")
        case (.died(.balancer), .watching), (.died(.balancer), .rehearsing), (.died(.balancer), .replacing(.vip, _)):
            // Its holder brings the known program back.
            replaced.remove(.balancer)
            return giveUp("the new balancer died after it had taken over")
        case (.died(let role), .replacing(let wanted, _)) where role == wanted:
            replaced.remove(role)
            return giveUp("the new \(role.rawValue) died")
        case (.died(let role), .watching), (.died(let role), .rehearsing):
            replaced.remove(role)
            return giveUp("the new \(role.rawValue) died")
        case (.rehearsed(let complaint), .rehearsing):
            if let complaint { return giveUp("the new program cannot take over from the supervisor: \(complaint)") }
            state = .over
            return [.execute]
        case (.timeout, _): return timeout(at: now)
        default: return []
        }
    }

    private mutating func probed(_ verdict: Verdict, at now: Instant) -> [Action] {
        switch verdict {
        case .compatible: return replace(.balancer, at: now)
        case .incompatible(let reason):
            guard drains else { return giveUp("\(reason); with --drain it is started after a drain") }
            state = .over
            return [.drain]
        case .unfit(let reason): return giveUp(reason)
        }
    }

    private mutating func replace(_ role: Role, at now: Instant) -> [Action] {
        state = .replacing(role, until: now + Limits.replacement)
        return [.replace(role, withNew: true)]
    }

    private mutating func timeout(at now: Instant) -> [Action] {
        guard let deadline = nextDeadline, deadline <= now else { return [] }
        switch state {
        case .probing: return giveUp("the new program does not say what it is within \(Limits.probe.text)")
        case .replacing(let role, _):
            // The known program is what follows it from here on.
            var actions = giveUp("the new \(role.rawValue) does not serve within \(Limits.replacement.text)")
            actions.insert(.keep(role), at: 1)
            return actions
        case .watching:
            state = .rehearsing(until: now + Limits.rehearsal)
            return [.rehearse]
        case .rehearsing:
            return giveUp("the new program does not read the supervisor's state within \(Limits.rehearsal.text)")
        case .over: return []
        }
    }

    /// Goes back to the known program where the new one serves.
    private mutating func giveUp(_ reason: String) -> [Action] {
        state = .over
        var actions: [Action] = [.useKnown]
        if replaced.contains(.vip) { actions.append(.replace(.vip, withNew: false)) }
        if replaced.contains(.balancer) { actions.append(.returnBalancer) }
        return actions + [.refuse(reason)]
    }
}
