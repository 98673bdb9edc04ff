// The last moments of a planned hand-over: the farewell is said, and the addresses stay until the other router has them.

package import Wire

extension VirtualRouter {
    /// How far a planned hand-over has come. The role is backup already, and nothing is advertised.
    ///
    /// RFC 9568, 6.4.3 (655) says farewell and is silent about the addresses. Giving them up at the same instant would
    /// leave the time that the other router needs to take them without service. So they are held a little longer: nobody
    /// else answers for them yet, and as soon as somebody is heard who does, they go.
    package enum Parting: Equatable, Sendable {
        /// Nobody has been heard to have taken them; what happens then: ``VirtualRouter/partingTimer(at:_:)``.
        case awaitingSuccessor(until: Instant, farewells: Int)
        /// What is left here is being ended.
        case draining(until: Instant)

        /// When the phase ends.
        var until: Instant {
            switch self {
            case .awaitingSuccessor(let until, _), .draining(let until): until
            }
        }
    }

    /// How a planned hand-over ended.
    package enum PartingOutcome: Equatable, Sendable {
        /// Another router was heard to be active.
        case taken
        /// Nobody was heard to be, and the addresses are kept.
        case keptUntaken
        /// Nobody was heard to be, and the addresses are gone, or will be in a moment.
        case givenUp
    }

    /// Says farewell and keeps the addresses until they are taken, or gives everything up at once when they are not
    /// certain to be here.
    ///
    /// - Parameter next: the backup to become; `nil`: one that listens anew.
    mutating func part(to next: Backup? = nil, _ cause: Cause, at now: Instant, _ actions: inout Actions) {
        let next = next ?? listening(at: now)
        guard isAdvertising, holdsAddresses else {
            partingOutcome = .givenUp
            return leave(.backup(next), cause, &actions)
        }
        advertise(0, &actions)
        partingOutcome = nil
        parting = .awaitingSuccessor(until: now + successorPatience, farewells: 1)
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
        partingOutcome = .taken
        drain(at: now, &actions)
    }

    /// The phase of a parting is over.
    mutating func partingTimer(at now: Instant, _ actions: inout Actions) {
        switch parting {
        case nil: return
        case .awaitingSuccessor(let until, let farewells):
            guard now >= until else { return }
            // The farewell may have been lost; if so, this one is the first, and the addresses are here for a moment yet.
            guard hold?.keepsUntaken == true else { return giveUp(at: now, &actions) }
            guard farewells > 1 else {
                advertise(0, &actions)
                parting = .awaitingSuccessor(until: now + successorPatience, farewells: 2)
                return
            }
            keepUntaken(at: now, &actions)
        case .draining(let until):
            guard now >= until else { return }
            counters.drainsCut += 1
            release(&actions)
        }
    }

    /// Nobody has taken the addresses, and they are not to stay.
    private mutating func giveUp(at now: Instant, _ actions: inout Actions) {
        counters.partingsUnseen += 1
        partingOutcome = .givenUp
        advertise(0, &actions)
        drain(at: now, &actions)
    }

    /// Nobody has taken the addresses: they stay, unless something that every claim waits for speaks against it.
    private mutating func keepUntaken(at now: Instant, _ actions: inout Actions) {
        guard case .backup(var backup) = state else { return giveUp(at: now, &actions) }
        hold = nil
        backup.deadline = now
        backup.expectation = .silence(of: backup.heard?.address)
        state = .backup(backup)
        downTimer(backup, at: now, &actions)
        guard case .backup(let waiting) = state else { return }
        // The other members of the group come to the same end within this time.
        guard waiting.waiting == .group else { return giveUp(at: now, &actions) }
        parting = .awaitingSuccessor(until: now + Bounds.groupPatience, farewells: 3)
    }

    /// Is active again without having let go: silent until the kernel has shown the addresses once more.
    mutating func takeBack(at now: Instant, _ actions: inout Actions) {
        counters.partingsUnseen += 1
        partingOutcome = .keptUntaken
        hold = nil
        var active = Active(
            phase: .repairing(claim(&actions), deadline: now + Bounds.claimTimeout), since: now, cause: .notTaken,
            nextAdvert: now)
        active.announceWhenShown = true
        move(to: .active(active), .notTaken, &actions)
    }

    private mutating func drain(at now: Instant, _ actions: inout Actions) {
        parting = .draining(until: now + Bounds.drainTime)
        actions.append(.drain)
    }
}
