// What a backup still waits for when its down timer has fired: the link to settle, another path, a witness, the group.

package import Wire

extension VirtualRouter {
    /// What a peer says about itself over a path that is not the advertisements': the pair link.
    ///
    /// It must come from the process that holds the address, at the pace of its advertisements, and not from one that
    /// merely knows about it: a heartbeat that goes on while the holder hangs would keep everybody from claiming.
    package struct PeerReport: Equatable, Sendable {
        /// Its role.
        package var role: Role
        /// Its priority in force.
        package var priority: UInt8
        /// The address it sends advertisements from.
        package var address: IPAddress
        /// It is a backup in full health that would claim at once: see ``VirtualRouter/isWilling(at:)``.
        package var isWilling: Bool

        /// A report as it came over the pair link.
        package init(role: Role, priority: UInt8, address: IPAddress, isWilling: Bool = false) {
            self.role = role
            self.priority = priority
            self.address = address
            self.isWilling = isWilling
        }
    }

    /// The last report of the peer.
    struct SecondPath: Equatable, Sendable {
        var report: PeerReport
        var at: Instant
        /// Since when it has said without a gap that it is active.
        var activeSince: Instant?
        /// Reports of an active peer since its last advertisement was heard.
        var unheard = 0
    }

    /// Why a backup whose timer has fired does not claim yet.
    enum Waiting: Equatable, Sendable {
        /// A link that has just come up may not carry packets yet (spanning tree, bonds).
        case link
        /// The peer says over the pair link that it is active.
        case secondPath
        /// The witness has not answered since the peer fell silent.
        case witness
        /// The other members of the group are not ready to claim.
        case group
        /// Somebody advertises who could be the peer, and no key was ever seen to fit his: perhaps ours is wrong.
        case doubt
    }

    /// What keeps a backup from claiming at `now`, and when to look again; `nil` when nothing does.
    ///
    /// A farewell and a preemption were heard, so the network carries packets and nobody is guessed to be dead: only
    /// the group matters then.
    func reasonToWait(_ backup: Backup, at now: Instant) -> (Waiting, until: Instant)? {
        if case .silence = backup.expectation {
            if let settled = settledAt, now < settled { return (.link, settled) }
            if let path = secondPath, path.report.role == .active, now < path.at + patience(with: path) {
                return (.secondPath, path.at + patience(with: path))
            }
            if let doubt, now < doubt.at + settings.downInterval(interval: settings.interval) {
                return (.doubt, doubt.at + settings.downInterval(interval: settings.interval))
            }
            if settings.requiresWitness, !hasWitness(for: backup, at: now) { return (.witness, .distantFuture) }
        }
        if settings.isGrouped, !mayClaim { return (.group, .distantFuture) }
        return nil
    }

    /// How long a report stays good.
    ///
    /// One interval less than the patience with advertisements: on the death of a host, whose last report and last
    /// advertisement are at most an interval apart, the second path never makes the takeover later.
    var secondPathPatience: Duration {
        settings.interval * max(1, settings.downTimerAdverts - 1) + settings.skew(interval: settings.interval)
    }

    /// How long a report keeps a backup from claiming.
    ///
    /// Where several reports came and no advertisement, it is known that only the advertisements are lost. Then the
    /// reports may be as late as two busy hosts make them, and a claim would be a second active router.
    private func patience(with path: SecondPath) -> Duration {
        path.unheard < Bounds.reportsWithoutAdvert
            ? secondPathPatience : max(secondPathPatience, Bounds.longestSecondPathPatience)
    }

    /// When a link that nobody was heard on counts as settled; `nil` when it does already.
    private var settledAt: Instant? {
        guard settings.settle > .zero, !isLinkProven, let linkUpSince else { return nil }
        return linkUpSince + settings.settle
    }

    /// An answer counts when it came after the last word of the active router and is not old.
    private func hasWitness(for backup: Backup, at now: Instant) -> Bool {
        guard let answer = witnessAnsweredAt, now - answer <= Bounds.witnessAge else { return false }
        return backup.heard.map { answer >= $0.at } ?? true
    }

    /// Looks again at a backup that was kept from claiming.
    mutating func resume(at now: Instant, _ actions: inout Actions) {
        guard case .backup(var backup) = state, backup.waiting != nil else { return }
        backup.deadline = now
        state = .backup(backup)
        downTimer(backup, at: now, &actions)
    }

    /// The last advertisement that could not be verified, from whom none ever was.
    struct Doubt: Equatable, Sendable {
        var from: IPAddress
        var at: Instant
    }

    // MARK: The second path

    mutating func peerReported(_ report: PeerReport, at arrival: Instant, now: Instant, _ actions: inout Actions) {
        counters.peerReports += 1
        let wasActive = secondPath.flatMap { last -> Instant? in
            arrival - last.at <= secondPathPatience ? last.activeSince : nil
        }
        let isActive = report.role == .active
        secondPath = SecondPath(
            report: report, at: arrival, activeSince: isActive ? wasActive ?? arrival : nil,
            unheard: isActive ? min((secondPath?.unheard ?? 0) + 1, Bounds.reportsWithoutAdvert) : 0)
        isLinkProven = isLinkProven || isActive
        resume(at: now, &actions)
        if handOver(to: report, at: now, &actions) { return }
        // Advertisements do not get through, or we would know from them. Who has the weaker claim gives way, by the
        // same rule; not before both have been active for a down interval, because a report may be older than an
        // advertisement: that of a router which has just handed over to us.
        guard isActive, case .active(let active) = state, active.phase.isTruth, let since = secondPath?.activeSince,
            arrival - max(since, active.since) >= settings.downInterval(interval: settings.interval),
            wins(report.priority, from: report.address)
        else { return }
        yieldUnheard(to: report, at: now, &actions)
    }

    mutating func peerPathLost(at now: Instant, _ actions: inout Actions) {
        secondPath = nil
        resume(at: now, &actions)
    }

    /// Somebody else answered for an address of ours.
    ///
    /// Whether he has the better claim is known when he says over the second path that he is active. Otherwise it is
    /// a host that was left with the address, or an impostor: then the neighbours are told again, and it is counted.
    mutating func addressAnswered(by other: IPAddress?, at now: Instant, _ actions: inout Actions) {
        guard case .active(var active) = state, active.phase.isTruth else { return }
        counters.duplicateHolders += 1
        if let path = secondPath, path.report.role == .active, path.at > active.since,
            now < path.at + secondPathPatience, other == nil || other == path.report.address,
            wins(path.report.priority, from: path.report.address)
        {
            return yieldUnheard(to: path.report, at: now, &actions)
        }
        reassert(&active, at: now, &actions)
        state = .active(active)
    }

    private mutating func yieldUnheard(to report: PeerReport, at now: Instant, _ actions: inout Actions) {
        counters.yields += 1
        counters.secondPathYields += 1
        leave(
            .backup(listening(at: now)), .yielded(to: report.address, priority: report.priority), &actions)
    }

    /// 6.4.3 (725): a higher priority, or the same and a higher address, wins.
    func wins(_ priority: UInt8, from: IPAddress) -> Bool {
        priority > settings.priority || (priority == settings.priority && source.map { from > $0 } ?? true)
    }
}
