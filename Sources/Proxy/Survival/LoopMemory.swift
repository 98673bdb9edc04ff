// The memory of one loop, which outlives the process.

import Linux
import Wire

/// Sessions, buffers, edges and client IDs of one loop: four memfds that a successor finds under their numbers.
struct LoopMemory: Sendable {
    /// What a successor must know to map them again; plain data, in the ``SurvivalState``.
    struct Record: BitwiseCopyable, Sendable {
        /// Most sessions at one time; 0: there is no such loop.
        var capacity: UInt32 = 0
        var chunkCount: UInt32 = 0
        var chunkSize: UInt32 = 0
        var slots: Int32 = -1
        var chunks: Int32 = -1
        var edges: Int32 = -1
        var keys: Int32 = -1
    }

    /// Most sessions of a loop that are believed at adoption.
    private static let maximumCapacity: UInt32 = 1 << 24

    let record: Record
    let slots: MemoryRegion
    let chunks: MemoryRegion
    let edges: MemoryRegion
    let keys: MemoryRegion
    /// A former process wrote it.
    let isAdopted: Bool

    var capacity: Int { Int(record.capacity) }
    var chunkCount: Int { Int(record.chunkCount) }
    var chunkSize: Int { Int(record.chunkSize) }
    var keyBlocks: Int { 4 * capacity }

    /// Memory for a loop that begins.
    init(capacity: Int, chunkSize: Int) throws(Errno) {
        let chunkCount = min(2 * capacity, ChunkPool.maximumCount)
        var record = Record(
            capacity: UInt32(capacity), chunkCount: UInt32(chunkCount), chunkSize: UInt32(chunkSize))
        (record.slots, slots) = try Self.make("slots", SlotArena.bytes(capacity: capacity))
        (record.chunks, chunks) = try Self.make("chunks", chunkCount * chunkSize)
        (record.edges, edges) = try Self.make("edges", EdgeArena.bytes(capacity: capacity))
        (record.keys, keys) = try Self.make("keys", KeyStore.bytes(blocks: 4 * capacity))
        self.record = record
        isAdopted = false
    }

    private static func make(_ name: String, _ size: Int) throws(Errno) -> (Int32, MemoryRegion) {
        let file = try Memfd.create(name: "understudy-\(name)", size: size)
        try Descriptor.setCloseOnExec(file.number, false)
        let region = try Memfd.map(file.number)
        return (file.release(), region)
    }

    /// The memory a former process left; `nil` when it is not what the record says.
    init?(adopting record: Record) {
        guard record.capacity > 0, record.capacity <= Self.maximumCapacity, record.chunkCount > 0,
            Int(record.chunkCount) <= ChunkPool.maximumCount, record.chunkSize > 0, record.chunkSize % 4096 == 0,
            record.chunkSize <= 1 << 28
        else { return nil }
        let capacity = Int(record.capacity)
        guard let slots = Self.map(record.slots, SlotArena.bytes(capacity: capacity)),
            let chunks = Self.map(record.chunks, Int(record.chunkCount) * Int(record.chunkSize)),
            let edges = Self.map(record.edges, EdgeArena.bytes(capacity: capacity)),
            let keys = Self.map(record.keys, KeyStore.bytes(blocks: 4 * capacity))
        else { return nil }
        self.record = record
        self.slots = slots
        self.chunks = chunks
        self.edges = edges
        self.keys = keys
        isAdopted = true
    }

    private static func map(_ number: Int32, _ size: Int) -> MemoryRegion? {
        guard number > 2, (try? Memfd.size(number)) == size else { return nil }
        return try? Memfd.map(number)
    }
}
