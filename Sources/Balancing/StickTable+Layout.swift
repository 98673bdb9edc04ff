// Where things are in a shard's memory: header, index, ring, blocks.

import Wire

extension StickTable {
    /// Offsets inside a block of 128 bytes. A record is a head block and, for long keys, a chain of continuations.
    ///
    /// The first word tells what a block is: 0 free, 2 a continuation, odd a head: the seal over everything in the
    /// record that outlives a process. A record torn by the death of its writer does not match its seal.
    ///
    /// A lookup waits for memory and for little else, so what it reads is in the first 64 bytes, one cache line: the key of a
    /// client ID that every server takes (MQTT 3.1.1, 3.1.3.1: 23 bytes) ends there. What versions, lists and replication
    /// need comes behind the key.
    enum Field {
        static let blockBytes = 128
        static let seal = 0  // UInt32
        static let next = 4  // UInt32, next block of the key or of the free list
        static let keyLength = 8  // UInt16
        static let flags = 10  // UInt8
        static let list = 11  // UInt8, a Membership and perhaps `usedMark`; rebuilt on adoption
        static let connected = 12  // UInt32; 0 on adoption
        static let hash = 16  // UInt64
        static let server = 24  // UInt64
        static let expires = 32  // Int64
        static let key = 40
        static let keyBytes = 64
        static let counter = 104  // UInt64
        static let node = 112  // UInt32
        static let older = 116  // UInt32, neighbour in its list; rebuilt on adoption
        static let newer = 120  // UInt32
        static let update = 124  // UInt32, low half of its last update number; 0 on adoption
        /// Where the key goes on in a continuation block.
        static let continued = 8
        static let continuationMark: UInt32 = 2
        /// The record was used since it was put in its list.
        static let usedMark: UInt8 = 0x80
    }

    /// Offsets of the header, which fills the region's first 128 bytes.
    enum Header {
        static let magic = 0  // UInt64
        static let format = 8  // UInt32
        static let blocks = 16  // UInt64
        static let slots = 24  // UInt64
        static let ring = 32  // UInt64
        static let highWater = 40  // UInt64
        static let highestCounter = 48  // UInt64
        static let k0 = 56  // UInt64
        static let k1 = 64  // UInt64
        static let node = 72  // UInt32
        static let unsettled = 76  // UInt32, not 0 while the index and the records it names are changed
        static let adoptions = 80  // UInt32, by processes that have not lasted since
        static let bytes = 128
        /// `STICKTAB`
        static let magicValue: UInt64 = 0x5354_4943_4B54_4142
        static let formatValue: UInt32 = 2
    }

    /// The parts of a region, computed from the settings alone.
    struct Layout: Equatable {
        /// Index slots of 4 bytes, 0 or a block number plus 1 and as many bits of the key's hash as there is room for; at most two
        /// thirds are used.
        let slots: Int
        /// Bits of a slot that number the block, the lower ones.
        let blockBits: Int
        /// Ring slots of 4 bytes: block numbers.
        let ring: Int
        let blocks: Int

        init(_ settings: Settings) {
            precondition(settings.tombstones >= 1 && settings.longKeyBlocks >= 0 && settings.ring >= 1)
            let records = settings.entries + settings.tombstones
            slots = records + records / 2 + 1
            ring = settings.ring
            blocks = records + settings.longKeyBlocks
            precondition(blocks < Int(UInt32.max), "a shard has fewer than 2^32 blocks")
            blockBits = Int.bitWidth - blocks.leadingZeroBitCount
            ringOffset = Header.bytes + slots * 4
            blocksOffset = (ringOffset + ring * 4 + 127) & ~127
        }

        var indexOffset: Int { Header.bytes }
        let ringOffset: Int
        /// A multiple of 128, so that no record's first 64 bytes are in two cache lines.
        let blocksOffset: Int
        var bytes: Int { blocksOffset + blocks * Field.blockBytes }
    }

    /// No block.
    static let none = UInt32.max

    /// How many blocks beyond the head a key of this length needs.
    static func continuationBlocks(keyLength: Int) -> Int {
        let payload = Field.blockBytes - Field.continued
        return max(0, keyLength - Field.keyBytes + payload - 1) / payload
    }
}
