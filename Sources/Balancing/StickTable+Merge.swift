// Merging what the peer wrote: the largest value of a key wins, whoever hears of it first.

package import Wire

extension StickTable {
    /// What a merge did.
    package enum MergeOutcome: Hashable, Sendable {
        /// The remote value won.
        case applied
        /// It won, and contradicted who is connected here: a new version says what is true (docs/replication.md, 5).
        case reasserted
        /// The local value is the same or newer.
        case ignored
        /// The table is full of newer entries, or the key is not a key.
        case refused
    }

    /// Merges a remote entry. Idempotent; the order of merges does not matter.
    ///
    /// - Parameter remaining: how long the entry still lives; granted up to this table's own expiry.
    @discardableResult
    package mutating func merge(
        _ key: Span<UInt8>, hash: UInt64, _ incoming: StickTableValue, remaining: Duration, at now: Instant
    ) -> MergeOutcome {
        guard key.count > 0, key.count <= StickTable.maximumKeyLength else { return refuseMerge() }
        observe(counter: incoming.version.counter)
        let limit = incoming.isTombstone ? settings.tombstoneExpire : settings.expire
        let expires = now + min(max(remaining, .zero), limit)
        guard let block = find(key, hash: hash) else {
            if incoming.isTombstone {
                guard makeBlocks(keyLength: key.count) else { return refuseMerge() }
            } else {
                guard admits(incoming), makeRoom(keyLength: key.count) else { return refuseMerge() }
            }
            return apply(makeRecord(key, hash: hash), incoming, expires: expires, at: now)
        }
        let local = value(block)
        guard incoming > local else {
            counters.mergesIgnored += 1
            return .ignored
        }
        if local.isTombstone, !incoming.isTombstone, count >= settings.entries {
            guard admits(incoming), let victim = chooseVictim() else { return refuseMerge() }
            remove(victim)
            counters.evicted += 1
        }
        return apply(block, incoming, expires: expires, at: now)
    }

    /// Raises the version counter to one seen elsewhere, so that later local writes are newer.
    package mutating func observe(counter: UInt64) {
        guard counter > highestCounter, counter < StickTable.counterLimit else { return }
        highestCounter = counter
        region.store(counter, at: Header.highestCounter)
    }

    /// Counters beyond this are not followed: a broken peer must not exhaust them.
    static let counterLimit = UInt64(1) << 62

    /// A full table takes a remote entry only for an older one, so that two full tables come to rest.
    private mutating func admits(_ incoming: StickTableValue) -> Bool {
        guard count >= settings.entries else { return true }
        guard let victim = chooseVictim() else { return false }
        return value(victim).version < incoming.version
    }

    private mutating func apply(
        _ block: UInt32, _ incoming: StickTableValue, expires: Instant, at now: Instant
    ) -> MergeOutcome {
        replace(block, with: incoming, expires: expires, replicate: false)
        counters.merged += 1
        if incoming.isTombstone {
            boundTombstones()
            return .applied
        }
        let isConnectedHere = load(block, Field.connected, as: UInt32.self) > 0
        let isDenied = isConnectedHere && !incoming.isPresent
        let isClaimed = !isConnectedHere && incoming.isPresent && incoming.version.node == settings.node
        guard isDenied || isClaimed else { return .applied }
        write(block, server: incoming.server, at: now)
        counters.reasserted += 1
        return .reasserted
    }

    private mutating func refuseMerge() -> MergeOutcome {
        counters.mergesRefused += 1
        return .refused
    }
}
