// An active router in bad health that knows of a healthy one hands its addresses over.

package import Wire

extension VirtualRouter {
    /// Whether an advertisement would be the truth now: the kernel shows the addresses and nobody is listened for.
    ///
    /// What is told to the peer over the second path as *active*: a router that is silent must not keep others from
    /// claiming.
    package var isAdvertising: Bool {
        if case .active(let active) = state { active.phase.isTruth } else { false }
    }

    /// Whether this backup is in full health and would claim as soon as the active router leaves.
    package func isWilling(at now: Instant) -> Bool {
        guard case .backup(let backup) = state, impairedSince == nil, backup.waiting == nil else { return false }
        return hold.map { now >= max($0.until, $0.preemptUntil ?? $0.until) } ?? true
    }

    /// Hands over to a peer that has just said that it is willing, when something has not been well here for a while.
    ///
    /// Priorities decide who *becomes* active; between hosts with `preempt never` they do not move the addresses, and must
    /// not. But a host that lost its servers serves nobody, and only it and its peer together know that the other does
    /// better. A peer that is not in full health is no better, whatever the numbers say. After a split both are given time
    /// to see their servers again: its end costs at most one switch.
    ///
    /// - Returns: whether it did.
    mutating func handOver(to report: PeerReport, at now: Instant, _ actions: inout Actions) -> Bool {
        guard report.role == .backup, report.isWilling, let since = impairedSince,
            now - since >= Bounds.impairedPatience, isAdvertising,
            loserHeardAt.map({ now - $0 >= Bounds.splitPause }) ?? true,
            handedOverAt.map({ now - $0 >= Bounds.handOverPause }) ?? true
        else { return false }
        handedOverAt = now
        counters.impairedHandOvers += 1
        hold = Hold(until: now + Bounds.handOverHold)
        leave(.backup(listening(at: now)), .handedOverImpaired(to: report.address), &actions)
        return true
    }
}
