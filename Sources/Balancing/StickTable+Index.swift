// The index of a stick table: open addressing with linear probing over the upper half of the key's hash.

import Wire

extension StickTable {
    /// The block of the record with this key.
    func find(_ key: borrowing Span<UInt8>, hash: UInt64) -> UInt32? {
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        var slot = home(of: tag)
        while true {
            let word: UInt64 = region.load(layout.indexOffset &+ slot &* 8)
            if word == 0 { return nil }
            if UInt32(truncatingIfNeeded: word >> 32) == tag {
                let block = UInt32(truncatingIfNeeded: word) &- 1
                if block < UInt32(highWater), load(block, Field.hash) == hash, keyEquals(key, block) { return block }
            }
            slot = following(slot)
        }
    }

    /// Enters a block. Ends because slots outnumber records.
    func enter(_ block: UInt32, hash: UInt64) {
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        var slot = home(of: tag)
        while region.load(layout.indexOffset + slot * 8, as: UInt64.self) != 0 { slot = following(slot) }
        region.store(UInt64(tag) << 32 | UInt64(block + 1), at: layout.indexOffset + slot * 8)
    }

    /// Takes a block out and closes the gap, so that no probe ends too early.
    func withdraw(_ block: UInt32, hash: UInt64) {
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        let wanted = UInt64(tag) << 32 | UInt64(block + 1)
        var hole = home(of: tag)
        while true {
            let word: UInt64 = region.load(layout.indexOffset + hole * 8)
            if word == wanted { break }
            // Somebody wrote where it should not, as a process may that goes mad before it dies.
            guard word != 0 else { return reindex(without: block) }
            hole = following(hole)
        }
        var slot = hole
        while true {
            slot = following(slot)
            let word: UInt64 = region.load(layout.indexOffset + slot * 8)
            if word == 0 { break }
            // A word may move into the hole when its home is not between the hole and where it stands.
            let start = home(of: UInt32(truncatingIfNeeded: word >> 32))
            if distance(from: start, to: slot) >= distance(from: hole, to: slot) {
                region.store(word, at: layout.indexOffset + hole * 8)
                hole = slot
            }
        }
        region.store(UInt64(0), at: layout.indexOffset + hole * 8)
    }

    /// Makes the index again from the records.
    func reindex(without removed: UInt32? = nil) {
        clearIndex()
        for block in 0..<UInt32(highWater) where block != removed && isHead(block) { enter(block, hash: load(block, Field.hash)) }
    }

    func clearIndex() {
        for slot in 0..<layout.slots { region.store(UInt64(0), at: layout.indexOffset + slot * 8) }
    }

    @inline(__always)
    private func home(of tag: UInt32) -> Int { Int((UInt64(tag) &* UInt64(layout.slots)) >> 32) }

    @inline(__always)
    private func following(_ slot: Int) -> Int { slot &+ 1 == layout.slots ? 0 : slot &+ 1 }

    private func distance(from start: Int, to end: Int) -> Int {
        end >= start ? end - start : end - start + layout.slots
    }
}
