// Taking over a stick table whose process died: every record is checked before it is believed.

package import Wire

extension StickTable {
    /// Why a region cannot be adopted; the shell formats it afresh.
    package enum AdoptionRefusal: Error, Hashable, Sendable {
        /// It has no table, or one whose formatting was interrupted.
        case notATable
        /// It was written by a version with another format.
        case otherFormat(UInt32)
        /// Its sizes are others: the configuration changed.
        case otherLayout
    }

    /// Stands where a shard will be, and knows nothing of what is in `region`: to be replaced by ``init(adopting:settings:at:)`` before
    /// anything is asked of it.
    ///
    /// - Parameter region: at least ``bytes(for:)`` bytes; neither read nor written.
    package init(unopened region: MemoryRegion, settings: Settings, at now: Instant) {
        self.init(unread: region, settings: settings, layout: Layout(settings), at: now)
        digests = []
    }

    /// Reads back the shard in `region`; the process that wrote it no longer runs.
    ///
    /// Torn records are dropped and counted. Nobody is connected any more: an entry whose client was connected here gets
    /// a new version that says so and its expiry clock starts; the shell connects the sessions that survived again.
    ///
    /// - Throws: ``AdoptionRefusal``; the region is unchanged then.
    package init(adopting region: MemoryRegion, settings: Settings, at now: Instant) throws(AdoptionRefusal) {
        let layout = Layout(settings)
        guard region.count >= Header.bytes, region.load(Header.magic) == Header.magicValue else { throw .notATable }
        let format: UInt32 = region.load(Header.format)
        guard format == Header.formatValue else { throw .otherFormat(format) }
        let highWater: UInt64 = region.load(Header.highWater)
        guard region.count >= layout.bytes, region.load(Header.blocks) == UInt64(layout.blocks),
            region.load(Header.slots) == UInt64(layout.slots), region.load(Header.ring) == UInt64(layout.ring),
            highWater <= UInt64(layout.blocks)
        else { throw .otherLayout }

        self.init(unread: region, settings: settings, layout: layout, at: now)
        self.highWater = Int(highWater)
        let writtenWith = HashKey(region.load(Header.k0), region.load(Header.k1))
        let isIndexed = isIndexKept(writtenWith)
        if !isIndexed { clearIndex() }
        storeIdentity()
        var claimed = [Bool](repeating: false, count: self.highWater)
        var adopted: [UInt32] = []
        highestCounter = min(region.load(Header.highestCounter), StickTable.counterLimit)
        for block in 0..<UInt32(self.highWater) where isHead(block) {
            guard adopt(block, writtenWith: writtenWith, claimed: &claimed, isIndexed: isIndexed) else {
                counters.torn += 1
                store(UInt32(0), block, Field.seal)
                continue
            }
            adopted.append(block)
        }
        for block in 0..<UInt32(self.highWater) where !claimed[Int(block)] { freeOne(block) }
        if isIndexed, counters.torn > 0 {
            // It names what is no record any more.
            reindex()
        }
        region.store(UInt32(0), at: Header.unsettled)
        linkByAge(adopted)
        for block in adopted {
            let value = value(block)
            guard value.isPresent, value.version.node == settings.node else { continue }
            write(block, server: value.server, at: now)
        }
        while count > settings.entries, let victim = chooseVictim() { remove(victim) }
        boundTombstones()
    }

    /// Whether the index is as its writer left it between two changes: then it need not be made again, which would touch all of its
    /// memory, tens of megabytes for a million entries.
    ///
    /// Not when processes die again and again: they may die of it.
    private func isIndexKept(_ writtenWith: HashKey) -> Bool {
        let adoptions: UInt32 = region.load(Header.adoptions)
        region.store(adoptions &+ 1, at: Header.adoptions)
        return region.load(Header.unsettled, as: UInt32.self) == 0 && adoptions < StickTable.trustedAdoptions
            && writtenWith == settings.hashKey
    }

    /// Adoptions one after another, by processes that do not come to ``expire(at:examining:)``, from which on an index is made again.
    static let trustedAdoptions: UInt32 = 2

    /// Takes one record over, or says that it is torn.
    private mutating func adopt(
        _ block: UInt32, writtenWith old: HashKey, claimed: inout [Bool], isIndexed: Bool
    ) -> Bool {
        guard !claimed[Int(block)], load(block, Field.seal) == seal(block), let chain = chain(of: block, claimed)
        else { return false }
        var key: [UInt8] = []
        appendKey(of: block, to: &key)
        guard old.hash(key.span) == load(block, Field.hash) else { return false }
        let hash = settings.hashKey.hash(key.span)
        guard isIndexed || find(key.span, hash: hash) == nil else { return false }
        for part in chain { claimed[Int(part)] = true }
        store(hash, block, Field.hash)
        store(seal(block), block, Field.seal)
        store(UInt32(0), block, Field.connected)
        store(UInt32(0), block, Field.update)
        let value = value(block)
        observe(counter: value.version.counter)
        digests[StickTable.bucket(of: hash)] ^= StickTable.digest(hash: hash, value)
        if !isIndexed { enter(block, hash: hash) }
        return true
    }

    /// Puts the adopted records in their lists; what expires first was used least recently.
    private mutating func linkByAge(_ blocks: [UInt32]) {
        var ages: [(expires: Int64, block: UInt32)] = []
        ages.reserveCapacity(blocks.count)
        for block in blocks { ages.append((load(block, Field.expires), block)) }
        ages.sort { $0.expires < $1.expires }
        for age in ages { link(age.block) }
    }

    /// The blocks of a record, when they are what its key length promises.
    private func chain(of head: UInt32, _ claimed: [Bool]) -> [UInt32]? {
        let length = keyLength(head)
        guard length > 0 else { return nil }
        var blocks = [head]
        var next: UInt32 = load(head, Field.next)
        for _ in 0..<StickTable.continuationBlocks(keyLength: length) {
            guard next < UInt32(claimed.count), !claimed[Int(next)],
                load(next, Field.seal, as: UInt32.self) == Field.continuationMark
            else { return nil }
            blocks.append(next)
            next = load(next, Field.next)
        }
        return next == StickTable.none ? blocks : nil
    }
}
