// Records of a stick table as plain data: fields, keys over chained blocks, seals, and the free list.

import Wire

extension StickTable {
    // MARK: Fields

    @inline(__always)
    func address(_ block: UInt32) -> Int { layout.blocksOffset &+ Int(block) &* Field.blockBytes }

    @inline(__always)
    func load<I: FixedWidthInteger & BitwiseCopyable>(_ block: UInt32, _ field: Int, as type: I.Type = I.self) -> I {
        region.load(address(block) &+ field)
    }

    @inline(__always)
    func store<I: FixedWidthInteger & BitwiseCopyable>(_ value: I, _ block: UInt32, _ field: Int) {
        region.store(value, at: address(block) &+ field)
    }

    /// Whether the block begins a record.
    @inline(__always)
    func isHead(_ block: UInt32) -> Bool { load(block, Field.seal, as: UInt32.self) & 1 == 1 }

    /// The replicated part of a record.
    @inline(__always)
    func value(_ block: UInt32) -> StickTableValue {
        StickTableValue(
            version: StickTableVersion(counter: load(block, Field.counter), node: load(block, Field.node)),
            flags: load(block, Field.flags), server: load(block, Field.server))
    }

    @inline(__always)
    func storeValue(_ value: StickTableValue, expires: Instant, _ block: UInt32) {
        store(value.server, block, Field.server)
        store(value.version.counter, block, Field.counter)
        store(value.version.node, block, Field.node)
        store(value.flags, block, Field.flags)
        store(expires.nanoseconds, block, Field.expires)
        store(seal(block), block, Field.seal)
    }

    @inline(__always)
    func storeExpires(_ expires: Instant, _ block: UInt32) {
        store(expires.nanoseconds, block, Field.expires)
        store(seal(block), block, Field.seal)
    }

    /// The seal over everything that outlives the process; odd, so never that of a free or continuation block.
    ///
    /// It makes the order of the stores irrelevant: contents and seal agree only when all of them happened.
    @inline(__always)
    func seal(_ block: UInt32) -> UInt32 {
        var mix = load(block, Field.hash, as: UInt64.self)
        mix = StickTable.mix(mix, load(block, Field.server))
        mix = StickTable.mix(mix, load(block, Field.counter))
        mix = StickTable.mix(mix, load(block, Field.expires))
        let length: UInt16 = load(block, Field.keyLength)
        let flags: UInt8 = load(block, Field.flags)
        mix = StickTable.mix(
            mix, UInt64(load(block, Field.node, as: UInt32.self)) << 32 | UInt64(length) << 8 | UInt64(flags))
        mix = StickTable.mix(mix, UInt64(load(block, Field.next, as: UInt32.self)))
        return UInt32(truncatingIfNeeded: mix >> 32) | 1
    }

    /// What a record contributes to its bucket's digest (docs/replication.md, 7).
    static func digest(hash: UInt64, _ value: StickTableValue) -> UInt64 {
        var mix = StickTable.mix(hash, value.version.counter)
        mix = StickTable.mix(mix, UInt64(value.version.node) << 8 | UInt64(value.flags))
        return StickTable.mix(mix, value.server)
    }

    /// Multiply and rotate, twice: spreads every bit of `word` over the result. Not secret, not a MAC.
    @inline(__always)
    static func mix(_ state: UInt64, _ word: UInt64) -> UInt64 {
        var mixed = (state ^ word) &* 0x9E37_79B9_7F4A_7C15
        mixed ^= mixed >> 32
        mixed = mixed &* 0xD6E8_FEB8_6659_FD93
        return (mixed ^ (mixed >> 29)) &+ (state << 17 | state >> 47)
    }

    // MARK: Keys

    /// The length of a record's key in bytes.
    @inline(__always)
    func keyLength(_ block: UInt32) -> Int { Int(load(block, Field.keyLength, as: UInt16.self)) }

    /// Appends a record's whole key.
    package func appendKey(of block: UInt32, to bytes: inout [UInt8]) {
        var rest = keyLength(block)
        var part = min(rest, StickTable.inlineKeyBytes)
        region.read(address(block) + Field.key, length: part, into: &bytes)
        var next: UInt32 = load(block, Field.next)
        rest -= part
        while rest > 0 {
            part = min(rest, Field.blockBytes - Field.continued)
            region.read(address(next) + Field.continued, length: part, into: &bytes)
            next = load(next, Field.next)
            rest -= part
        }
    }

    @inline(__always)
    func keyEquals(_ key: borrowing Span<UInt8>, _ block: UInt32) -> Bool {
        guard keyLength(block) == key.count else { return false }
        var done = min(key.count, StickTable.inlineKeyBytes)
        guard region.equals(key.extracting(first: done), at: address(block) + Field.key) else { return false }
        var next: UInt32 = load(block, Field.next)
        while done < key.count {
            let part = min(key.count - done, Field.blockBytes - Field.continued)
            let rest = key.extracting(done..<(done + part))
            guard region.equals(rest, at: address(next) + Field.continued) else { return false }
            next = load(next, Field.next)
            done += part
        }
        return true
    }

    // MARK: Blocks

    /// Blocks that a new record could take now.
    var availableBlocks: Int { freeBlocks + layout.blocks - highWater }

    /// Makes a record with this key, not yet sealed, in no list and not in the index.
    ///
    /// The caller has made room: there are enough available blocks.
    mutating func makeRecord(_ key: borrowing Span<UInt8>, hash: UInt64) -> UInt32 {
        let head = takeBlock()
        store(UInt32(0), head, Field.seal)
        var done = min(key.count, StickTable.inlineKeyBytes)
        region.write(key.extracting(first: done), at: address(head) + Field.key)
        var last = head
        while done < key.count {
            let block = takeBlock()
            let part = min(key.count - done, Field.blockBytes - Field.continued)
            store(Field.continuationMark, block, Field.seal)
            region.write(key.extracting(done..<(done + part)), at: address(block) + Field.continued)
            store(block, last, Field.next)
            last = block
            done += part
        }
        store(StickTable.none, last, Field.next)
        store(UInt16(key.count), head, Field.keyLength)
        store(hash, head, Field.hash)
        store(UInt32(0), head, Field.connected)
        store(UInt32(0), head, Field.update)
        return head
    }

    /// Gives a record's blocks back.
    mutating func freeRecord(_ head: UInt32) {
        var block = head
        while block != StickTable.none {
            let next: UInt32 = load(block, Field.next)
            freeOne(block)
            block = next
        }
    }

    mutating func freeOne(_ block: UInt32) {
        store(UInt32(0), block, Field.seal)
        store(freeBlock, block, Field.next)
        freeBlock = block
        freeBlocks += 1
    }

    private mutating func takeBlock() -> UInt32 {
        if freeBlock != StickTable.none {
            let block = freeBlock
            freeBlock = load(block, Field.next)
            freeBlocks -= 1
            return block
        }
        precondition(highWater < layout.blocks, "no block was made free")
        let block = UInt32(highWater)
        highWater += 1
        region.store(UInt64(highWater), at: Header.highWater)
        return block
    }
}
