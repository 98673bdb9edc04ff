// The last moments of a planned hand-over: the farewell is said, and the addresses stay until the other router has them.

package import Wire

extension VirtualRouter {
    /// How far a planned hand-over has come. The role is backup already, and nothing is advertised.
    ///
    /// RFC 9568, 6.4.3 (655) says farewell and is silent about the addresses. Giving them up at the same instant would
    /// leave the time that the other router needs to take them without service. So they are held a little longer: nobody
    /// else answers for them yet, and as soon as somebody is heard who does, they go.
    package enum Parting: Equatable, Sendable {
        /// Nobody has been heard to have taken them; by then they go all the same.
        case awaitingSuccessor(until: Instant)
        /// What is left here is being ended.
        case draining(until: Instant)

        /// When the phase ends.
        var until: Instant {
            switch self {
            case .awaitingSuccessor(let until), .draining(let until): until
            }
        }
    }

    /// Says farewell and keeps the addresses until they are taken, or gives everything up at once when they are not
    /// certain to be here.
    ///
    /// - Parameter next: the backup to become; `nil`: one that listens anew.
    mutating func part(to next: Backup? = nil, _ cause: Cause, at now: Instant, _ actions: inout Actions) {
        let next = next ?? listening(at: now)
        guard isAdvertising, holdsAddresses else { return leave(.backup(next), cause, &actions) }
        advertise(0, &actions)
        parting = .awaitingSuccessor(until: now + successorPatience)
        counters.partings += 1
        move(to: .backup(next), cause, &actions)
    }

    /// The longest Skew_Time another router may wait after a farewell, and a while for its claim.
    private var successorPatience: Duration {
        min(settings.version == .two ? .seconds(1) : settings.interval, .seconds(1)) + Bounds.successorGrace
    }

    /// Another router said that it is active.
    mutating func replaced(at now: Instant, _ actions: inout Actions) {
        guard case .awaitingSuccessor = parting else { return }
        drain(at: now, &actions)
    }

    /// The phase of a parting is over.
    mutating func partingTimer(at now: Instant, _ actions: inout Actions) {
        switch parting {
        case nil: return
        case .awaitingSuccessor(let until):
            guard now >= until else { return }
            // The farewell may have been lost; if so, this one is the first, and the addresses are here for a moment yet.
            counters.partingsUnseen += 1
            advertise(0, &actions)
            drain(at: now, &actions)
        case .draining(let until):
            guard now >= until else { return }
            counters.drainsCut += 1
            release(&actions)
        }
    }

    private mutating func drain(at now: Instant, _ actions: inout Actions) {
        parting = .draining(until: now + Bounds.drainTime)
        actions.append(.drain)
    }
}
