// The lists of a stick table: who may be evicted, nearly in the order of last use.

import Wire

extension StickTable {
    /// Where a record belongs by its contents.
    @inline(__always)
    func membership(_ block: UInt32) -> Membership {
        let value = value(block)
        if value.isTombstone { return .tombstone }
        if load(block, Field.connected, as: UInt32.self) > 0 { return .connected }
        return isHeldByPeer(value) ? .held : .idle
    }

    /// The client is connected at the other host, as far as its last version says.
    @inline(__always)
    func isHeldByPeer(_ value: StickTableValue) -> Bool {
        value.isPresent && value.version.node != settings.node
    }

    /// Puts a record at the young end of the list it belongs to.
    mutating func link(_ block: UInt32) {
        let membership = membership(block)
        let list = Int(membership.rawValue)
        store(membership.rawValue, block, Field.list)
        let newest = lists[list].newest
        store(newest, block, Field.older)
        store(StickTable.none, block, Field.newer)
        if newest == StickTable.none {
            lists[list].oldest = block
        } else {
            store(block, newest, Field.newer)
        }
        lists[list].newest = block
        lists[list].count += 1
    }

    /// Takes a record out of the list it is in.
    mutating func unlink(_ block: UInt32) {
        let list = Int(load(block, Field.list, as: UInt8.self) & 3)
        let older: UInt32 = load(block, Field.older)
        let newer: UInt32 = load(block, Field.newer)
        if older == StickTable.none { lists[list].oldest = newer } else { store(newer, older, Field.newer) }
        if newer == StickTable.none { lists[list].newest = older } else { store(older, newer, Field.older) }
        lists[list].count -= 1
    }

    /// Marks a record as used: it becomes the youngest of its list when it is the oldest and room is wanted.
    ///
    /// Moving it at once would touch its two neighbours, which are anywhere in memory: a lookup would cost twice as much. Nor is
    /// anything written for one that is marked already.
    @inline(__always)
    func touch(_ block: UInt32) {
        let list: UInt8 = load(block, Field.list)
        if list & Field.usedMark == 0 { store(list | Field.usedMark, block, Field.list) }
    }

    /// The entry that would make room for another; the same one when asked again.
    mutating func chooseVictim() -> UInt32? {
        if let idle = leastRecentlyUsed(.idle) { return idle }
        return peerDownSince == nil ? nil : leastRecentlyUsed(.held)
    }

    /// The oldest record of a list that was not used since it was put there. Those that were become the youngest; after
    /// ``secondChances`` of them the next one is taken whatever it was used for, so that an eviction has a bound.
    private mutating func leastRecentlyUsed(_ membership: Membership) -> UInt32? {
        let list = Int(membership.rawValue)
        for _ in 0..<StickTable.secondChances {
            let oldest = lists[list].oldest
            if oldest == StickTable.none { return nil }
            if load(oldest, Field.list, as: UInt8.self) & Field.usedMark == 0 { return oldest }
            unlink(oldest)
            link(oldest)
        }
        let oldest = lists[list].oldest
        store(membership.rawValue, oldest, Field.list)
        return oldest
    }

    /// Records that are spared by one eviction because they were used.
    static let secondChances = 64

    /// Evicts until a new live entry with a key of this length fits; false when everything is held.
    mutating func makeRoom(keyLength: Int) -> Bool {
        while count >= settings.entries {
            guard let victim = chooseVictim() else { return false }
            remove(victim)
            counters.evicted += 1
        }
        return makeBlocks(keyLength: keyLength)
    }

    /// Evicts until there are blocks for a key of this length: idle entries first, then tombstones.
    mutating func makeBlocks(keyLength: Int) -> Bool {
        let needed = 1 + StickTable.continuationBlocks(keyLength: keyLength)
        while availableBlocks < needed {
            if let victim = chooseVictim() {
                remove(victim)
                counters.evicted += 1
            } else if !dropOldestTombstone() {
                return false
            }
        }
        return true
    }

    /// Forgets the oldest tombstone; false when there is none.
    mutating func dropOldestTombstone() -> Bool {
        let oldest = lists[Int(Membership.tombstone.rawValue)].oldest
        if oldest == StickTable.none { return false }
        remove(oldest)
        counters.tombstonesDropped += 1
        return true
    }

    /// Removes a record altogether.
    mutating func remove(_ block: UInt32) {
        let hash: UInt64 = load(block, Field.hash)
        digests[StickTable.bucket(of: hash)] ^= StickTable.digest(hash: hash, value(block))
        region.store(UInt32(1), at: Header.unsettled)
        withdraw(block, hash: hash)
        unlink(block)
        freeRecord(block)
        region.store(UInt32(0), at: Header.unsettled)
    }

    /// The digest bucket of a key's hash.
    package static func bucket(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (buckets - 1) }
}
