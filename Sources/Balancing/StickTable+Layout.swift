// Where things are in a shard's memory: header, index, ring, blocks.

import Wire

extension StickTable {
    /// Offsets inside a block of 128 bytes. A record is a head block and, for long keys, a chain of continuations.
    ///
    /// The first word tells what a block is: 0 free, 2 a continuation, odd a head: the seal over everything in the
    /// record that outlives a process. A record torn by the death of its writer does not match its seal.
    enum Field {
        static let blockBytes = 128
        static let seal = 0  // UInt32
        static let next = 4  // UInt32, next block of the key or of the free list
        static let keyLength = 8  // UInt16
        static let flags = 10  // UInt8
        static let list = 11  // UInt8, a Membership and perhaps `usedMark`; rebuilt on adoption
        static let connected = 12  // UInt32; 0 on adoption
        static let server = 16  // UInt64
        static let counter = 24  // UInt64
        static let node = 32  // UInt32
        static let older = 36  // UInt32, neighbour in its list; rebuilt on adoption
        static let newer = 40  // UInt32
        static let update = 44  // UInt32, low half of its last update number; 0 on adoption
        static let expires = 48  // Int64
        static let hash = 56  // UInt64
        static let key = 64
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
        static let bytes = 128
        /// `STICKTAB`
        static let magicValue: UInt64 = 0x5354_4943_4B54_4142
        static let formatValue: UInt32 = 1
    }

    /// The parts of a region, computed from the settings alone.
    struct Layout: Equatable {
        /// Index slots of 8 bytes: the hash's upper half and a block number; at most two thirds are used.
        let slots: Int
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
        }

        var indexOffset: Int { Header.bytes }
        var ringOffset: Int { indexOffset + slots * 8 }
        var blocksOffset: Int { (ringOffset + ring * 4 + 127) & ~127 }
        var bytes: Int { blocksOffset + blocks * Field.blockBytes }
    }

    /// No block.
    static let none = UInt32.max

    /// How many blocks beyond the head a key of this length needs.
    static func continuationBlocks(keyLength: Int) -> Int {
        let payload = Field.blockBytes - Field.continued
        return max(0, keyLength - (Field.blockBytes - Field.key) + payload - 1) / payload
    }
}
