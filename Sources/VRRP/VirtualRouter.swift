// One virtual router: who holds the addresses, decided in values.

package import Wire

/// The state machine of one virtual router (RFC 9568, 6.4). Pure: it neither sends nor sleeps.
///
/// ```
///                  everything prepared                     down timer fired
///   initialize ───────────────────────────▶ backup ───────────────────────────▶ claiming
///     ▲  ▲  ▲                                │  ▲  ▲   another is active           │  │
///     │  │  └── not ready, stop ─────────────┘  │  └───────────────────────────────┘  │ the kernel shows
///     │  └───── claim failed, timed out, not ready ─────────────────────── claiming    │ the addresses
///     │                                         │ better claim heard, step-down        ▼
///     └──────── not ready, stop, contested ─────┴─────────────────────────────────── active
/// ```
///
/// Where it does more than the RFC, it is to keep one promise, *an advertisement is the truth*:
/// - It advertises only while the kernel **shows** the addresses. Becoming active is: claim, read back, then advertise
///   and announce. A claim that fails leads to `initialize` and is tried again after a pause that doubles.
/// - It takes part only while the node can serve; unknown counts as no.
/// - Who wakes late listens before it claims: a backup whose timer fires long after its deadline listens once more, and
///   an active router that slept longer than its peers wait is silent until it knows whether another took over. So one
///   stall causes at most one switch.
/// - Who serves goes on serving (`preempt never`), also at the start.
/// - The list of addresses in an advertisement is noted and never a reason to refuse it.
/// - Who leaves on purpose says so first and lets go of the addresses when the other router has them.
/// - The winner of a split announces again at once, after 1 s and after 5 s, because the loser may have spoken last.
///
/// The shell reads its sockets empty **before** it calls ``timeout(at:)``, obeys the actions in order, reports every
/// effect as an event, then arms one timer for ``nextDeadline``.
package struct VirtualRouter: Sendable {
    /// The settings in force; their priority includes the weights of what is tracked.
    package internal(set) var settings: Settings
    /// The priority as configured.
    var basePriority: UInt8
    var state: State = .initialize(.notStarted)

    // The conditions for taking part. Nothing is assumed to be well.
    var isStarted = false
    var wasStopped = false
    var isInterfaceUp = false
    /// Why there is no socket for advertisements; `nil`: there is one.
    var socketErrno: Int32?
    /// Our own address, from which we send and with which ties are broken; `nil` while there is none.
    package internal(set) var source: IPAddress?
    var isReady = false
    var readyReason = "nothing has reported yet"
    var isInSync = false
    var penalty: Penalty?
    var hold: Hold?
    var weight = 0
    /// Since when the interface has been up, and whether packets were seen to pass since.
    var linkUpSince: Instant?
    var isLinkProven = false
    var secondPath: SecondPath?
    var witnessAnsweredAt: Instant?
    var doubt: Doubt?
    /// Since when something that is tracked with a weight has not been well.
    var impairedSince: Instant?
    /// When an active router of the weaker claim was last heard while active: the end of a split.
    var loserHeardAt: Instant?
    /// When this router last handed over because a better one was known.
    var handedOverAt: Instant?
    /// Why the group keeps this member out, and whether it lets it claim.
    var groupBar: String?
    var mayClaim = false

    // The addresses as the kernel has reported them.
    /// Whether the kernel showed all addresses at the last report.
    package internal(set) var holdsAddresses = false
    var attempts: Attempt = 0
    var failedClaims = 0
    var repairs: (count: Int, since: Instant) = (0, .zero)
    var releaseAgainAt: Instant?
    /// How far a planned hand-over has come; `nil` when none is under way.
    package internal(set) var parting: Parting?
    /// How the last planned hand-over ended; `nil` while one is under way, and when there was none.
    package internal(set) var partingOutcome: PartingOutcome?

    /// The routers heard, for the status.
    package internal(set) var peers: [Peer] = []
    /// The last advertisement that was refused, for the status.
    package internal(set) var lastRefusal: Refusal?
    /// What has been counted since the beginning.
    package internal(set) var counters = Counters()

    /// A router that has not been started and knows nothing of its node yet.
    package init(_ settings: Settings) {
        self.settings = settings
        basePriority = settings.priority
        peers.reserveCapacity(Bounds.maximumPeers)
    }

    /// Takes in what happened, and says what is to be done about it.
    package mutating func handle(_ event: Event, at now: Instant) -> Actions {
        var actions = Actions()
        switch event {
        case .started(let holding): start(holding: holding, at: now, &actions)
        case .stop:
            isStarted = false
            wasStopped = true
            reconsider(at: now, &actions)
        case .stepDown(let duration, let isForced): stepDown(for: duration, isForced, at: now, &actions)
        case .drained: if case .draining = parting { release(&actions) }
        case .received(let advertisement, let from, let to):
            receive(advertisement, from: from, to: to, at: now, &actions)
        case .refused(let discard, let from): refuse(discard, from: from, at: now, &actions)
        case .unverified(let from): doubt = Doubt(from: from, at: now)
        case .addressesClaimed(let attempt): claimed(attempt, at: now, &actions)
        case .addressClaimFailed(let attempt, let errno):
            if attempt == pendingAttempt { claimFailed(.claimFailed(errno: errno), at: now, &actions) }
        case .addressLost: addressLost(at: now, &actions)
        case .deviceRenewed: neighboursMisled(at: now, &actions)
        case .addressesReleased:
            holdsAddresses = false
            releaseAgainAt = nil
        case .addressReleaseFailed:
            counters.releaseFailures += 1
            if !wantsAddresses { releaseAgainAt = now + Bounds.releasePause }
        case .sendFailed: counters.sendFailures += 1
        case .ready(let ready, let reason):
            isReady = ready
            readyReason = reason
            reconsider(at: now, &actions)
        case .interface(let up):
            if up, !isInterfaceUp {
                linkUpSince = now
                isLinkProven = false
            }
            isInterfaceUp = up
            reconsider(at: now, &actions)
        case .socket(let errno):
            socketErrno = errno
            reconsider(at: now, &actions)
        case .source(let address): changeSource(address, at: now, &actions)
        case .inSync(let inSync): isInSync = inSync
        case .weight(let sum, let isImpaired):
            impairedSince = isImpaired ? impairedSince ?? now : nil
            changeWeight(sum, at: now, &actions)
        case .peerAlive(let report, let arrival): peerReported(report, at: arrival, now: now, &actions)
        case .peerPathLost: peerPathLost(at: now, &actions)
        case .witnessAnswered:
            witnessAnsweredAt = now
            resume(at: now, &actions)
        case .linkProven:
            isLinkProven = true
            resume(at: now, &actions)
        case .addressAnswered(let other): addressAnswered(by: other, at: now, &actions)
        case .group(let order): obey(order, at: now, &actions)
        case .configure(let settings): configure(settings, at: now, &actions)
        }
        return actions
    }

    /// What time alone calls for. Early and repeated calls are harmless; late calls are understood.
    package mutating func timeout(at now: Instant) -> Actions {
        var actions = Actions()
        if let again = releaseAgainAt, now >= again, !wantsAddresses { release(&actions) }
        partingTimer(at: now, &actions)
        switch state {
        case .initialize: reconsider(at: now, &actions)
        case .backup(let backup): downTimer(backup, at: now, &actions)
        case .claiming(let claiming):
            if now >= claiming.deadline { claimFailed(.claimTimedOut, at: now, &actions) }
        case .active(let active): activeTimers(active, at: now, &actions)
        }
        return actions
    }

    /// The instant at which ``timeout(at:)`` wants to be called; `nil` while nothing is pending.
    package var nextDeadline: Instant? {
        let own: Instant? =
            switch state {
            case .initialize: ownObstacle(at: .distantFuture) == nil ? penalty?.until : nil
            case .backup(let backup): backup.deadline == .distantFuture ? nil : backup.deadline
            case .claiming(let claiming): claiming.deadline
            case .active(let active): nextDeadline(of: active)
            }
        return [own, releaseAgainAt, parting?.until].compactMap(\.self).min()
    }

    /// When the next advertisement is due; `nil` while none is.
    package var nextAdvertisement: Instant? {
        if case .active(let active) = state, active.phase.isTruth { active.nextAdvert } else { nil }
    }

    /// The role it has now.
    package var role: Role { state.role }

    /// The advertisement that ``Action/advertise(priority:)`` asks for.
    package func advertisement(priority: UInt8) -> Advertisement {
        Advertisement(
            version: settings.version, routerID: settings.routerID, priority: priority, interval: settings.interval,
            addresses: settings.addresses, authentication: settings.authentication, checksumForm: settings.checksum)
    }

    /// Whether the addresses are ours or asked for.
    var wantsAddresses: Bool { role == .claiming || role == .active }

    // MARK: Effects common to all states

    /// Changes the role and says so.
    mutating func move(to next: State, _ cause: Cause, _ actions: inout Actions) {
        actions.append(.transition(from: state.role, to: next.role, cause))
        counters.transitions += 1
        if next.role == .active { counters.becameActive += 1 }
        if next.role != .active, next.role != .claiming { mayClaim = false }
        state = next
    }

    mutating func advertise(_ priority: UInt8, _ actions: inout Actions) {
        actions.append(.advertise(priority: priority))
        counters.advertisementsSent += 1
        if priority == 0 { counters.zeroPrioritySent += 1 }
    }

    mutating func announce(_ actions: inout Actions) {
        actions.append(.announce)
        counters.announcements += 1
    }

    mutating func release(_ actions: inout Actions) {
        releaseAgainAt = nil
        parting = nil
        actions.append(.release)
    }

    mutating func claim(_ actions: inout Actions) -> Attempt {
        attempts += 1
        counters.claims += 1
        releaseAgainAt = nil
        parting = nil
        actions.append(.claim(attempts))
        return attempts
    }
}
