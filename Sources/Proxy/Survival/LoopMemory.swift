// The memory of one loop, which outlives the process.

import Linux
import Wire

/// Sessions, buffers, edges, client IDs, keys, pipes and events of one loop: files in memory, and the set of sockets that it waits on,
/// which a successor finds under their numbers.
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
        /// Keys of TLS sessions.
        var secrets: Int32 = -1
        /// Records of pipes.
        var pipes: Int32 = -1
        /// Events that were told and may not have been served.
        var events: Int32 = -1
        /// The set of the sessions' sockets.
        var poller: Int32 = -1

        /// All of them.
        var descriptors: [Int32] { [slots, chunks, edges, keys, secrets, pipes, events, poller] }
    }

    /// Most events of one turn.
    static let batch = 256

    /// Most sessions of a loop that are believed at adoption.
    private static let maximumCapacity: UInt32 = 1 << 24

    let record: Record
    let slots: MemoryRegion
    let chunks: MemoryRegion
    let edges: MemoryRegion
    let keys: MemoryRegion
    let secrets: MemoryRegion
    let events: MemoryRegion
    let pipes: MemoryRegion
    /// How well the secrets are kept.
    let protection: MemoryProtection
    /// Whether this process may seal with them.
    var charge = Charge()
    /// Records sealed under one key before a new one; the suite's own limit holds anyway.
    var recordLimit = UInt64.max
    /// Nanoseconds of a turn for steps of TLS handshakes.
    var handshakeShare = Loop.Share.handshakeTime
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
        (record.pipes, pipes) = try Self.make("pipes", PipePool.bytes)
        (record.secrets, secrets, protection) = try Self.makeSecret(SessionKeys.bytes(capacity: capacity))
        (record.events, events) = try Self.make("events", EdgePoller.bytes(batch: Self.batch))
        record.poller = try EdgePoller.makeLasting()
        self.record = record
        isAdopted = false
    }

    private static func make(_ name: String, _ size: Int) throws(Errno) -> (Int32, MemoryRegion) {
        let file = try Memfd.create(name: "understudy-\(name)", size: size)
        try Descriptor.setCloseOnExec(file.number, false)
        let region = try Memfd.map(file.number)
        return (file.release(), region)
    }

    /// Memory for secrets, the best there is: the kernel may have none that only we see, or may not let us have so much.
    private static func makeSecret(_ size: Int) throws(Errno) -> (Int32, MemoryRegion, MemoryProtection) {
        if let file = try? Memfd.secret(size: size), let region = try? Memfd.map(file.number),
            (try? Descriptor.setCloseOnExec(file.number, false)) != nil
        {
            return (file.release(), region, .secret)
        }
        let (number, region) = try make("secrets", size)
        return (number, region, try MemoryProtection.protect(region))
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
            let keys = Self.map(record.keys, KeyStore.bytes(blocks: 4 * capacity)),
            let pipes = Self.map(record.pipes, PipePool.bytes),
            let secrets = Self.map(record.secrets, SessionKeys.bytes(capacity: capacity)),
            let events = Self.map(record.events, EdgePoller.bytes(batch: Self.batch)), EdgePoller.isSet(record.poller),
            let protection = try? MemoryProtection.protect(secrets, Memfd.isSecret(record.secrets))
        else { return nil }
        self.protection = protection
        self.secrets = secrets
        self.events = events
        self.pipes = pipes
        self.record = record
        self.slots = slots
        self.chunks = chunks
        self.edges = edges
        self.keys = keys
        isAdopted = true
    }

    /// Established sessions in the memory that a record names, where it can be read at all.
    static func sessions(in record: Record) -> Int? {
        guard record.capacity > 0, record.capacity <= maximumCapacity,
            let region = map(record.slots, SlotArena.bytes(capacity: Int(record.capacity)))
        else { return nil }
        let slots = SlotArena(capacity: Int(record.capacity), region: region)
        return (1..<max(1, slots.end)).count { slots[$0].phase == .relaying }
    }

    private static func map(_ number: Int32, _ size: Int) -> MemoryRegion? {
        guard number > 2, (try? Memfd.size(number)) == size else { return nil }
        return try? Memfd.map(number)
    }
}
