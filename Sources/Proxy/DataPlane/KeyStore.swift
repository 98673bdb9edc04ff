// The client IDs of a loop's sessions, whole, as plain data.

import Linux
import Wire

/// Keeps what of a client ID does not fit into its slot, in a chain of small blocks.
struct KeyStore: ~Copyable {
    /// Bytes of an ID that stand in the slot itself.
    static let inline = 32
    /// A block: four bytes for the next block's number, then bytes of the ID.
    private static let blockSize = 64
    private static let payload = 60

    private let region: MemoryRegion
    private let blocks: Int
    private var firstFree: UInt32 = 0
    private var untouched: UInt32 = 1
    private var used = 0

    /// Bytes for so many blocks.
    static func bytes(blocks: Int) -> Int { (blocks + 1) * blockSize }

    /// - Parameters:
    ///   - blocks: most blocks in use at one time, 60 bytes of client ID each.
    ///   - region: its memory; the first block is never given out, and holds the highest number ever used.
    init(blocks: Int, region: MemoryRegion) {
        self.region = region
        self.blocks = blocks
        untouched = min(region.load(0, as: UInt32.self), UInt32(blocks)) + 1
    }

    /// The blocks of a slot that a former process filled, as far as they make sense; `nil` when they do not.
    func chain(of slot: borrowing Slot) -> [UInt32]? {
        var chain: [UInt32] = []
        var rest = Int(slot.keyLength) - Self.inline
        var block = slot.keyBlock
        while rest > 0 {
            guard block != 0, block < untouched else { return nil }
            chain.append(block)
            block = region.load(Int(block) * Self.blockSize)
            rest -= Self.payload
        }
        return block == 0 ? chain : nil
    }

    /// Finds the free blocks again: all but these.
    mutating func rebuild(inUse: Set<UInt32>) {
        firstFree = 0
        used = inUse.count
        for block in stride(from: untouched, to: 1, by: -1).map({ $0 - 1 }) where !inUse.contains(block) {
            region.store(firstFree, at: Int(block) * Self.blockSize)
            firstFree = block
        }
    }

    /// Stores a client ID with its slot; `false` when there is no room, and nothing was stored.
    mutating func store(_ id: Span<UInt8>, in slot: inout Slot) -> Bool {
        clear(&slot)
        let rest = max(0, id.count - Self.inline)
        let needed = (rest + Self.payload - 1) / Self.payload
        guard id.count <= Int(UInt16.max), used + needed <= blocks else { return false }
        for index in 0..<min(id.count, Self.inline) { slot.key[index] = id[index] }
        slot.keyLength = UInt16(id.count)
        // The chain is built from its end, so that every block knows its successor.
        var next: UInt32 = 0
        var piece = needed
        while piece > 0 {
            piece -= 1
            let start = Self.inline + piece * Self.payload
            let block = allocate()
            region.store(next, at: Int(block) * Self.blockSize)
            region.write(
                id.extracting(start..<min(start + Self.payload, id.count)), at: Int(block) * Self.blockSize + 4)
            next = block
        }
        slot.keyBlock = next
        return true
    }

    /// A copy of a slot's client ID.
    func load(_ slot: borrowing Slot) -> [UInt8] {
        let length = Int(slot.keyLength)
        var id: [UInt8] = []
        id.reserveCapacity(length)
        for index in 0..<min(length, Self.inline) { id.append(slot.key[index]) }
        var block = slot.keyBlock
        while id.count < length, block != 0 {
            region.read(Int(block) * Self.blockSize + 4, length: min(Self.payload, length - id.count), into: &id)
            block = region.load(Int(block) * Self.blockSize)
        }
        return id
    }

    /// Gives a slot's blocks back.
    mutating func clear(_ slot: inout Slot) {
        var block = slot.keyBlock
        while block != 0 {
            let next: UInt32 = region.load(Int(block) * Self.blockSize)
            region.store(firstFree, at: Int(block) * Self.blockSize)
            firstFree = block
            used -= 1
            block = next
        }
        slot.keyBlock = 0
        slot.keyLength = 0
    }

    private mutating func allocate() -> UInt32 {
        used += 1
        if firstFree != 0 {
            let block = firstFree
            firstFree = region.load(Int(block) * Self.blockSize)
            return block
        }
        defer { untouched += 1 }
        region.store(untouched, at: 0)
        return untouched
    }
}
