// What sessions and operators do with a stick table.

package import Wire

extension StickTable {
    /// How a write ended.
    package enum Outcome: Hashable, Sendable {
        case stored
        /// Everything in the table is held, or the key is empty or longer than ``maximumKeyLength``.
        case refused
    }

    /// The live entry of a client; counts as used now.
    package mutating func lookup(_ key: Span<UInt8>, hash: UInt64, at now: Instant) -> StickTableEntry? {
        guard let block = use(key, hash: hash, at: now) else { return nil }
        return entry(block)
    }

    /// The server of a client's live entry; counts as used now.
    ///
    /// The way of every CONNECT: of an entry that the peer does not hold, with a key of up to 24 bytes, it reads one place of the
    /// index and one cache line.
    package mutating func server(of key: Span<UInt8>, hash: UInt64, at now: Instant) -> UInt64? {
        guard let block = use(key, hash: hash, at: now) else { return nil }
        return load(block, Field.server)
    }

    /// Remembers a client's server: a new version, and a new life of `expire`.
    @discardableResult
    package mutating func learn(_ key: Span<UInt8>, hash: UInt64, server: UInt64, at now: Instant) -> Outcome {
        guard let block = findOrMake(key, hash: hash) else { return .refused }
        write(block, server: server, at: now)
        return .stored
    }

    /// A session of this client begins on `server`: the entry is learned and lives at least until the session's
    /// ``disconnect(_:hash:at:)``.
    @discardableResult
    package mutating func connect(_ key: Span<UInt8>, hash: UInt64, server: UInt64, at now: Instant) -> Outcome {
        guard let block = findOrMake(key, hash: hash) else { return .refused }
        let connected: UInt32 = load(block, Field.connected)
        store(connected &+ 1, block, Field.connected)
        let old = value(block)
        let isKnown =
            connected > 0 && !old.isTombstone && old.server == server && old.isPresent
            && old.version.node == settings.node
        if isKnown { touch(block) } else { write(block, server: server, at: now) }
        return .stored
    }

    /// A session of this client ended; with the last one the entry's expiry clock starts.
    ///
    /// - Returns: false when the table knows of no such session (its entry was refused, or a delete has expired since).
    @discardableResult
    package mutating func disconnect(_ key: Span<UInt8>, hash: UInt64, at now: Instant) -> Bool {
        guard let block = find(key, hash: hash) else { return false }
        let connected: UInt32 = load(block, Field.connected)
        guard connected > 0 else { return false }
        store(connected - 1, block, Field.connected)
        let value = value(block)
        if connected > 1 || value.isTombstone { return true }
        if value.version.node == settings.node {
            write(block, server: value.server, at: now)
        } else {
            // The client is the peer's by now: its version stands.
            unlink(block)
            storeExpires(now + settings.expire, block)
            link(block)
        }
        return true
    }

    /// An operator points a client at a server; its present sessions stay where they are.
    @discardableResult
    package mutating func set(_ key: Span<UInt8>, hash: UInt64, server: UInt64, at now: Instant) -> Outcome {
        learn(key, hash: hash, server: server, at: now)
    }

    /// Forgets a client; a tombstone makes the peer forget it too.
    ///
    /// - Returns: false when there was no entry.
    @discardableResult
    package mutating func delete(_ key: Span<UInt8>, hash: UInt64, at now: Instant) -> Bool {
        guard let block = find(key, hash: hash) else { return false }
        let old = value(block)
        guard !old.isTombstone else { return false }
        let version = nextVersion()
        let tombstone = StickTableValue(version: version, isTombstone: true, isPresent: false, server: old.server)
        replace(block, with: tombstone, expires: now + settings.tombstoneExpire, replicate: true)
        boundTombstones()
        return true
    }

    // MARK: Helpers

    /// The record of a live entry, which counts as used now; one whose time is over is removed.
    @inline(__always)
    private mutating func use(_ key: Span<UInt8>, hash: UInt64, at now: Instant) -> UInt32? {
        guard let block = find(key, hash: hash) else { return nil }
        if isOver(block, at: now) {
            remove(block)
            counters.expired += 1
            return nil
        }
        if load(block, Field.flags, as: UInt8.self) & 1 != 0 { return nil }
        touch(block)
        return block
    }

    @inline(__always)
    func entry(_ block: UInt32) -> StickTableEntry {
        let value = value(block)
        return StickTableEntry(
            value: value, connected: Int(load(block, Field.connected, as: UInt32.self)),
            isHeldByPeer: isHeldByPeer(value), expires: deadline(block))
    }

    /// The record of this key, or a new one that has no seal and is in no list yet.
    private mutating func findOrMake(_ key: Span<UInt8>, hash: UInt64) -> UInt32? {
        if let block = find(key, hash: hash) {
            // A tombstone that comes back to life needs a live entry's place.
            guard value(block).isTombstone, count >= settings.entries else { return block }
            guard let victim = chooseVictim() else {
                counters.refused += 1
                return nil
            }
            remove(victim)
            counters.evicted += 1
            return block
        }
        guard key.count > 0, key.count <= StickTable.maximumKeyLength, makeRoom(keyLength: key.count) else {
            counters.refused += 1
            return nil
        }
        return makeRecord(key, hash: hash)
    }

    /// The next version of this node.
    mutating func nextVersion() -> StickTableVersion {
        observe(counter: highestCounter &+ 1)
        return StickTableVersion(counter: highestCounter, node: settings.node)
    }

    /// Writes a live local version with what is true now about who is connected here.
    mutating func write(_ block: UInt32, server: UInt64, at now: Instant) {
        let isPresent = load(block, Field.connected, as: UInt32.self) > 0
        let value = StickTableValue(version: nextVersion(), isTombstone: false, isPresent: isPresent, server: server)
        replace(block, with: value, expires: now + settings.expire, replicate: true)
    }

    /// Gives a record, old or just made, its new contents; index, list, digest and ring follow.
    mutating func replace(_ block: UInt32, with value: StickTableValue, expires: Instant, replicate: Bool) {
        let hash: UInt64 = load(block, Field.hash)
        let bucket = StickTable.bucket(of: hash)
        let isNew = !isHead(block)
        if isNew {
            counters.inserted += 1
        } else {
            digests[bucket] ^= StickTable.digest(hash: hash, self.value(block))
            unlink(block)
        }
        // A record that is torn tells so itself; one that is whole and not in the index yet does not.
        if isNew { region.store(UInt32(1), at: Header.unsettled) }
        storeValue(value, expires: expires, block)
        digests[bucket] ^= StickTable.digest(hash: hash, value)
        if isNew {
            enter(block, hash: hash)
            region.store(UInt32(0), at: Header.unsettled)
        }
        link(block)
        if replicate { noteChange(block) } else { store(UInt32(0), block, Field.update) }
    }

    mutating func boundTombstones() {
        while tombstoneCount > settings.tombstones, dropOldestTombstone() {}
    }
}
