// Time in a stick table: what expires when, and what the peer link has to do with it.

package import Wire

extension StickTable {
    /// When a record's time is over.
    func deadline(_ block: UInt32) -> Instant {
        let flags: UInt8 = load(block, Field.flags)
        let expires = Instant(nanoseconds: load(block, Field.expires))
        if flags & 1 != 0 { return expires }
        if load(block, Field.connected, as: UInt32.self) > 0 { return .distantFuture }
        guard flags & 2 != 0, load(block, Field.node, as: UInt32.self) != settings.node else { return expires }
        // Held by the peer: as long as the link is up, and for `expire` after it went down.
        guard let peerDownSince else { return .distantFuture }
        return max(expires, peerDownSince + settings.expire)
    }

    /// Whether a record's time is over: never before what it says itself.
    @inline(__always)
    func isOver(_ block: UInt32, at now: Instant) -> Bool {
        load(block, Field.expires, as: Int64.self) <= now.nanoseconds && deadline(block).nanoseconds <= now.nanoseconds
    }

    /// Removes what is over among the next `limit` records of the shard; call it regularly.
    ///
    /// Lookups never see an expired entry; this only takes the memory back.
    ///
    /// - Returns: how many were removed.
    @discardableResult
    package mutating func expire(at now: Instant, examining limit: Int) -> Int {
        var removed = 0
        region.store(UInt32(0), at: Header.adoptions)
        for _ in 0..<min(limit, highWater) {
            if sweep >= highWater { sweep = 0 }
            let block = UInt32(sweep)
            sweep += 1
            if isHead(block), isOver(block, at: now) {
                remove(block)
                removed += 1
            }
        }
        counters.expired += UInt64(removed)
        return removed
    }

    /// The link to the peer is up: what the peer holds does not expire.
    package mutating func peerLinkUp() { peerDownSince = nil }

    /// The link to the peer is down: the expiry clock of what the peer holds starts.
    package mutating func peerLinkDown(at now: Instant) {
        if peerDownSince == nil { peerDownSince = now }
    }
}
