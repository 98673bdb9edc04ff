// The index of a stick table: open addressing with linear probing over the upper half of the key's hash.
//
// It is small, because a lookup waits for it before it can wait for the record: a million entries have 6 MB of it, which may stay in
// a processor's cache.

import Wire

extension StickTable {
    /// The block of the record with this key.
    ///
    /// Inlined like all that a lookup calls: where a method of the table is called, the compiler copies the table, hundreds of
    /// bytes.
    @inline(__always)
    func find(_ key: borrowing Span<UInt8>, hash: UInt64) -> UInt32? {
        let tag = tag(of: hash)
        var slot = home(of: hash)
        while true {
            let word: UInt32 = word(slot)
            if word == 0 { return nil }
            if isTagged(word, tag) {
                let block = block(of: word)
                if isBlock(block), load(block, Field.hash) == hash, keyEquals(key, block) { return block }
            }
            slot = following(slot)
        }
    }

    /// Enters a block. Ends because slots outnumber records.
    func enter(_ block: UInt32, hash: UInt64) {
        var slot = home(of: hash)
        while word(slot) != 0 { slot = following(slot) }
        setWord(slot, word(block, hash: hash))
    }

    /// Takes a block out and closes the gap, so that no probe ends too early.
    func withdraw(_ block: UInt32, hash: UInt64) {
        let wanted = word(block, hash: hash)
        var hole = home(of: hash)
        while true {
            let word = word(hole)
            if word == wanted { break }
            // Somebody wrote where it should not, as a process may that goes mad before it dies.
            guard word != 0 else { return reindex(without: block) }
            hole = following(hole)
        }
        var slot = hole
        while true {
            slot = following(slot)
            let word = word(slot)
            if word == 0 { break }
            guard isBlock(self.block(of: word)) else { return reindex(without: block) }
            // A word may move into the hole when its home is not between the hole and where it stands.
            let start = home(of: load(self.block(of: word), Field.hash))
            if distance(from: start, to: slot) >= distance(from: hole, to: slot) {
                setWord(hole, word)
                hole = slot
            }
        }
        setWord(hole, 0)
    }

    /// Makes the index again from the records.
    func reindex(without removed: UInt32? = nil) {
        clearIndex()
        for block in 0..<UInt32(highWater) where block != removed && isHead(block) { enter(block, hash: load(block, Field.hash)) }
    }

    func clearIndex() {
        for slot in 0..<layout.slots { setWord(slot, 0) }
    }

    // MARK: Slots

    @inline(__always)
    private func word(_ slot: Int) -> UInt32 { region.load(layout.indexOffset &+ slot &* 4) }

    private func setWord(_ slot: Int, _ word: UInt32) { region.store(word, at: layout.indexOffset + slot * 4) }

    private func word(_ block: UInt32, hash: UInt64) -> UInt32 { tag(of: hash) << UInt32(layout.blockBits) | (block + 1) }

    /// The bits of a hash that its slot tells: not those that say where it stands.
    @inline(__always)
    private func tag(of hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) >> UInt32(layout.blockBits) }

    @inline(__always)
    private func isTagged(_ word: UInt32, _ tag: UInt32) -> Bool { word >> UInt32(layout.blockBits) == tag }

    /// The block a slot names; of one that was damaged, any number.
    @inline(__always)
    private func block(of word: UInt32) -> UInt32 { (word & ~(UInt32.max << UInt32(layout.blockBits))) &- 1 }

    @inline(__always)
    private func isBlock(_ block: UInt32) -> Bool { block < UInt32(truncatingIfNeeded: highWater) }

    @inline(__always)
    private func home(of hash: UInt64) -> Int { Int(((hash >> 32) &* UInt64(layout.slots)) >> 32) }

    @inline(__always)
    private func following(_ slot: Int) -> Int { slot &+ 1 == layout.slots ? 0 : slot &+ 1 }

    private func distance(from start: Int, to end: Int) -> Int {
        end >= start ? end - start : end - start + layout.slots
    }
}
