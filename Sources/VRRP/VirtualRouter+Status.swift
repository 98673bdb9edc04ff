// What a router tells about itself: its counters, and in words why it is what it is.

package import Wire

extension VirtualRouter {
    /// What happened since the beginning.
    package struct Counters: Equatable, Sendable {
        /// Advertisements handed to the shell; ``sendFailures`` of them did not leave.
        package internal(set) var advertisementsSent: UInt64 = 0
        /// Of them with priority 0.
        package internal(set) var zeroPrioritySent: UInt64 = 0
        /// Advertisements the kernel refused to send, one for each destination.
        package internal(set) var sendFailures: UInt64 = 0
        /// Advertisements accepted.
        package internal(set) var advertisementsReceived: UInt64 = 0
        /// Of them with priority 0.
        package internal(set) var zeroPriorityReceived: UInt64 = 0
        /// Advertisements refused, by reason. At most one entry for each reason.
        package internal(set) var refusals: [Advertisement.Discard: UInt64] = [:]
        /// Changes of role.
        package internal(set) var transitions: UInt64 = 0
        /// Of them to active.
        package internal(set) var becameActive: UInt64 = 0
        /// Times the kernel was asked for the addresses.
        package internal(set) var claims: UInt64 = 0
        /// Claims that failed or timed out.
        package internal(set) var claimFailures: UInt64 = 0
        /// Releases that failed.
        package internal(set) var releaseFailures: UInt64 = 0
        /// Addresses removed by somebody else while active.
        package internal(set) var addressesLost: UInt64 = 0
        /// Times ``Bounds/maximumRepairs`` was hit.
        package internal(set) var contests: UInt64 = 0
        /// Rounds of announcements.
        package internal(set) var announcements: UInt64 = 0
        /// Answers to losers spared because an advertisement had left less than a quarter of an interval before.
        package internal(set) var answersSpared: UInt64 = 0
        /// Times a device of the addresses had another MAC address or a new link.
        package internal(set) var devicesRenewed: UInt64 = 0
        /// Rounds put off by ``Bounds/announcementGap``.
        package internal(set) var announcementsSpared: UInt64 = 0
        /// Advertisements of a router with the weaker claim heard while active, farewells included.
        package internal(set) var losersHeard: UInt64 = 0
        /// Times an active router gave way to another.
        package internal(set) var yields: UInt64 = 0
        /// Of them after a stall.
        package internal(set) var stallYields: UInt64 = 0
        /// Times an active router noticed that it had slept longer than its peers wait.
        package internal(set) var stalls: UInt64 = 0
        /// Times a backup listened once more because its timer fired late.
        package internal(set) var lateWakes: UInt64 = 0
        /// Starts that found the addresses of a predecessor.
        package internal(set) var adoptions: UInt64 = 0
        /// Changes of the priority by what is tracked.
        package internal(set) var priorityChanges: UInt64 = 0
        /// Reports of the peer over the second path.
        package internal(set) var peerReports: UInt64 = 0
        /// Claims put off until the link had settled.
        package internal(set) var linkWaits: UInt64 = 0
        /// Claims put off because the peer said over the second path that it is active.
        package internal(set) var secondPathWaits: UInt64 = 0
        /// Claims put off because the witness did not answer.
        package internal(set) var witnessWaits: UInt64 = 0
        /// Claims put off because somebody advertised with a key that was never ours.
        package internal(set) var doubtWaits: UInt64 = 0
        /// Claims put off until the other members of the group were ready for theirs.
        package internal(set) var groupWaits: UInt64 = 0
        /// Times an active router gave way to what it learned over the second path.
        package internal(set) var secondPathYields: UInt64 = 0
        /// Times an active router handed over because it was not well and the peer was.
        package internal(set) var impairedHandOvers: UInt64 = 0
        /// Planned hand-overs in which the addresses waited for the other router.
        package internal(set) var partings: UInt64 = 0
        /// Of them those in which nobody was heard to take them in time; ``becameActive`` counts those in which they stayed.
        package internal(set) var partingsUnseen: UInt64 = 0
        /// Times the addresses went although not all sessions on them were known to be closed (``Bounds/drainTime``).
        package internal(set) var drainsCut: UInt64 = 0
        /// Answers of somebody else for our address while active.
        package internal(set) var duplicateHolders: UInt64 = 0
        /// Peers that made room for others in the table.
        package internal(set) var peersForgotten: UInt64 = 0
    }

    /// Why this node is active, or why it is not: one sentence for the operator.
    package func why(at now: Instant) -> String {
        switch state {
        case .initialize(let reason):
            guard let penalty, penalty.reason == reason, now < penalty.until else { return "not active: \(reason)" }
            return "not active: \(reason); next attempt in \((penalty.until - now).coarse)"
        case .backup(let backup):
            if let hold, !hold.peerHeard, now < hold.until {
                return "not active: stepped down, the address is left to the peer for \((hold.until - now).coarse) more"
            }
            if let waiting = backup.waiting { return "not active: \(why(waiting, until: backup.deadline, at: now))" }
            guard let heard = backup.heard else {
                let left = max(backup.deadline - now, .zero)
                return "not active yet: nobody else is heard, the address is claimed in \(left.coarse)"
            }
            let relation = heard.priority < settings.priority ? " (lower than ours)" : ""
            return "not active: \(heard.address) is active with priority \(heard.priority)\(relation), "
                + "last heard \((now - heard.at).coarse) ago"
        case .claiming(let claiming):
            return "about to be active: \(claiming.cause); waiting for the kernel to show the address"
        case .active(let active):
            let since = "for \((now - active.since).coarse): \(active.cause)"
            switch active.phase {
            case .shown, .reconciling: return "active \(since)"
            case .repairing: return "active \(since); the kernel is asked for the address again"
            case .listening: return "active \(since); silent for a moment, to hear whether another is active"
            }
        }
    }
}

extension VirtualRouter {
    private func why(_ waiting: Waiting, until: Instant, at now: Instant) -> String {
        switch waiting {
        case .link: "nobody else is heard, the link is given \((until - now).coarse) more to settle"
        case .secondPath: "no advertisement arrives, but the peer says over the pair link that it is active"
        case .witness: "nobody else is heard, and the witness has not answered since"
        case .doubt:
            "\(doubt.map { "\($0.from)" } ?? "somebody") advertises with a key that is not ours; are the secrets the same?"
        case .group: "ready, but other members of the group are not"
        }
    }

    /// Counts a claim that is put off.
    mutating func count(_ waiting: Waiting) {
        switch waiting {
        case .link: counters.linkWaits += 1
        case .secondPath: counters.secondPathWaits += 1
        case .witness: counters.witnessWaits += 1
        case .group: counters.groupWaits += 1
        case .doubt: counters.doubtWaits += 1
        }
    }
}

extension Duration {
    /// The duration to the millisecond, as people read it.
    fileprivate var coarse: String { Duration.milliseconds(wholeMilliseconds).text }
}

extension VirtualRouter.IdleReason: CustomStringConvertible {
    /// The reason as it stands in a sentence.
    package var description: String {
        switch self {
        case .notStarted: "not started"
        case .stopped: "stopped"
        case .interfaceDown: "the interface is down"
        case .noSocket(let errno): "the kernel gives no socket for advertisements (errno \(errno))"
        case .noSourceAddress: "the interface has no address to send from"
        case .notReady(let reason): "not ready to serve: \(reason)"
        case .claimFailed(let errno): "the kernel refused the address (errno \(errno))"
        case .claimTimedOut: "the kernel did not show the address within \(VirtualRouter.Bounds.claimTimeout.text)"
        case .addressesContested:
            "somebody removed the address more than \(VirtualRouter.Bounds.maximumRepairs) times within "
                + VirtualRouter.Bounds.repairWindow.text
        case .group(let reason): reason
        }
    }
}

extension VirtualRouter.Cause: CustomStringConvertible {
    /// The reason as it stands in a sentence.
    package var description: String {
        switch self {
        case .idle(let reason): "\(reason)"
        case .prepared: "everything needed is there"
        case .adopted: "the address was found at the start and kept"
        case .silence(nil): "no other router was heard"
        case .silence(let address?): "\(address) fell silent"
        case .handedOver(let address): "\(address) handed over"
        case .preempting(let address, let priority): "\(address) has the lower priority \(priority)"
        case .yielded(let address, let priority): "\(address) is active with priority \(priority)"
        case .yieldedAfterStall(let address, let priority):
            "this node slept, and meanwhile \(address) became active with priority \(priority)"
        case .withdrawn(let reason): reason
        case .steppedDown: "the operator asked for it"
        case .notTaken: "nobody took the address that was handed over"
        case .handedOverImpaired(let address): "something tracked is not well here, and \(address) is in full health"
        }
    }
}
