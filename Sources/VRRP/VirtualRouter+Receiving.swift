// Which advertisements a router listens to, and what it remembers of them.

package import Wire

extension VirtualRouter {
    /// What is remembered of another router.
    package struct Peer: Equatable, Sendable {
        /// Its source address.
        package internal(set) var address: IPAddress
        /// When it was last heard.
        package internal(set) var lastHeard: Instant
        /// Its last priority; 0 was a farewell.
        package internal(set) var priority: UInt8
        /// Its last interval.
        package internal(set) var interval: Duration
        /// The checksum form it sends.
        package internal(set) var checksumForm: Advertisement.ChecksumForm
        /// Its list of addresses is not ours: fine during a roll-out, worth a look afterwards.
        package internal(set) var addressesDiffer: Bool
        /// How many advertisements were accepted from it.
        package internal(set) var advertisements: UInt64
    }

    /// The last advertisement that was not believed.
    package struct Refusal: Equatable, Sendable {
        /// Why.
        package internal(set) var reason: Advertisement.Discard
        /// From where.
        package internal(set) var source: IPAddress
        /// When.
        package internal(set) var at: Instant
    }

    mutating func receive(
        _ advertisement: Advertisement, from: IPAddress, to: IPAddress, at now: Instant, _ actions: inout Actions
    ) {
        if let reason = reasonToRefuse(advertisement, from: from, to: to) {
            return refuse(reason, from: from, at: now, &actions)
        }
        counters.advertisementsReceived += 1
        if advertisement.priority == 0 { counters.zeroPriorityReceived += 1 }
        remember(advertisement, from: from, at: now)
        isLinkProven = true
        secondPath?.unheard = 0
        if advertisement.priority > 0 { replaced(at: now, &actions) }
        switch state {
        case .initialize: break
        case .backup(let backup): heardInBackup(backup, advertisement, from: from, at: now)
        case .claiming(let claiming):
            heardWhileClaiming(claiming, advertisement, from: from, at: now, &actions)
        case .active(let active): heardWhileActive(active, advertisement, from: from, at: now, &actions)
        }
    }

    mutating func refuse(
        _ reason: Advertisement.Discard, from: IPAddress, at now: Instant, _ actions: inout Actions
    ) {
        counters.refusals[reason, default: 0] += 1
        lastRefusal = Refusal(reason: reason, source: from, at: now)
        actions.append(.refused(reason, from))
    }

    /// RFC 9568, 7.1, and the source list that the RFC leaves to firewalls.
    private func reasonToRefuse(
        _ advertisement: Advertisement, from: IPAddress, to: IPAddress
    ) -> Advertisement.Discard? {
        if from.family != settings.family { return .wrongFamily }
        if advertisement.routerID != settings.routerID { return .otherRouterID }
        if from == source { return .ownAddress }
        if settings.peers.isEmpty {
            if !to.isMulticast { return .unexpectedUnicast }
        } else {
            if to.isMulticast { return .unexpectedMulticast }
            if !settings.peers.contains(from) { return .notAPeer }
        }
        if advertisement.version != settings.version { return .versionMismatch }
        if settings.version == .two {
            if advertisement.authentication != settings.authentication { return .authenticationMismatch }
            if advertisement.interval != settings.interval { return .intervalMismatch }
        }
        return nil
    }

    private mutating func remember(_ advertisement: Advertisement, from: IPAddress, at now: Instant) {
        var peer = Peer(
            address: from, lastHeard: now, priority: advertisement.priority, interval: advertisement.interval,
            checksumForm: advertisement.checksumForm, addressesDiffer: !isOurs(advertisement.addresses),
            advertisements: 1)
        if let index = peers.firstIndex(where: { $0.address == from }) {
            peer.advertisements += peers[index].advertisements
            peers[index] = peer
        } else if peers.count < Bounds.maximumPeers {
            peers.append(peer)
        } else if let oldest = peers.indices.min(by: { peers[$0].lastHeard < peers[$1].lastHeard }) {
            counters.peersForgotten += 1
            peers[oldest] = peer
        }
    }

    /// Whether the list names our addresses, in whatever order.
    private func isOurs(_ addresses: [IPAddress]) -> Bool {
        addresses == settings.addresses
            || (addresses.count == settings.addresses.count && addresses.allSatisfy(settings.addresses.contains))
    }
}
