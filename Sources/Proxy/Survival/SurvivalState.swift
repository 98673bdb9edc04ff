// What one balancer leaves for the next: where its memory is, and who is in charge.

import Balancing
import Linux
import Wire

/// The first memory a successor maps: versions, the holder's words, the loops' memory, and the names behind numbers.
///
/// One memfd, whose number the successor learns from ``variable``. Every field is bounds-checked when it is read: the
/// process that wrote it may have gone mad before it died.
struct SurvivalState {
    /// Name of the environment variable with the number of the state's memfd.
    static let variable = "UNDERSTUDY_STATE"
    /// Raised with every change of what is shared that its sizes do not show.
    static let version: UInt64 = 4

    private enum Place {
        /// Behind the holder's words.
        static let magic = 2048
        static let layout = 2056
        static let deaths = 2064
        static let restless = 2068
        static let hasServed = 2072
        static let directory = 2076
        static let hashKey = 2080
        static let handedOver = 2096
        static let chaos = 2560
        static let poison = 3072
        static let loops = 4096
        static let loopSize = 64
        static let directories = 16_384
        static let directorySize = 4 << 20
    }

    private static let magic: UInt64 = 0x5553_5644_5354_4154
    /// Deaths of processes that had not served yet, one after another, that end the row.
    static let maximumRestless: UInt32 = 8
    /// Bytes of the memfd; only what is used takes memory.
    private static let size = Place.directories + 2 * Place.directorySize

    let number: Int32
    let region: MemoryRegion

    /// What makes two versions of the program able to read each other's sessions.
    static var layout: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for value in [
            Int(version), MemoryLayout<Slot>.stride, MemoryLayout<Edge>.stride, MemoryLayout<EdgeFrames>.stride,
            MemoryLayout<KeyPair>.stride, MemoryLayout<LoopMemory.Record>.stride, EdgePoller.bytes(batch: LoopMemory.batch),
            PipePool.bytes, Holder.wordsSize, Place.directorySize, Int(StickTable.format),
            // A successor lives under its predecessor's filter.
            Int(truncatingIfNeeded: SystemCallFilter.signature),
        ] {
            hash = (hash ^ UInt64(bitPattern: Int64(value))) &* 0x0000_0100_0000_01B3
        }
        return hash
    }

    /// The state of a balancer without predecessor.
    init() throws(Errno) {
        let file = try Memfd.create(name: "understudy-state", size: Self.size)
        try Descriptor.setCloseOnExec(file.number, false)
        region = try Memfd.map(file.number)
        number = file.release()
        var generator = SystemRandomNumberGenerator()
        region.store(generator.next() as UInt64, at: Place.hashKey)
        region.store(generator.next() as UInt64, at: Place.hashKey + 8)
        region.store(Self.layout, at: Place.layout)
        region.store(Self.magic, at: Place.magic)
    }

    /// The state a predecessor left; `nil`: there is none, or not one of this layout.
    init?(adopting text: String) {
        guard let number = Int32(text), number > 2, (try? Memfd.size(number)) == Self.size,
            let region = try? Memfd.map(number), region.load(Place.magic) == Self.magic,
            region.load(Place.layout) == Self.layout
        else { return nil }
        self.number = number
        self.region = region
    }

    // MARK: Deaths

    /// Balancers that died and were followed.
    var deaths: UInt32 { region.load(Place.deaths) }

    /// The process ends because another program follows it: no death, and nobody's fault.
    func handsOver() { region.store(UInt32(1), at: Place.handedOver) }

    /// Whether the predecessor ended for that reason.
    var isHandedOver: Bool { region.load(Place.handedOver, as: UInt32.self) != 0 }

    /// The same; asked once by each process.
    func wasHandedOver() -> Bool {
        defer { region.store(UInt32(0), at: Place.handedOver) }
        return isHandedOver
    }

    /// Counts the predecessor's death.
    ///
    /// - Returns: `false` when too many have died in a row before they served.
    func followed() -> Bool {
        region.store(deaths &+ 1, at: Place.deaths)
        let restless = region.load(Place.hasServed, as: UInt32.self) == 0 ? region.load(Place.restless, as: UInt32.self) &+ 1 : 0
        region.store(restless, at: Place.restless)
        region.store(UInt32(0), at: Place.hasServed)
        return restless < Self.maximumRestless || !Chaos.hasCrashLoops
    }

    /// This process has served for a while: its death is none of a row.
    func serves() { region.store(UInt32(1), at: Place.hasServed) }

    /// The key of the stick tables' hash on a host without a pair's secret: drawn once for the row.
    var hashKey: (UInt64, UInt64) { (region.load(Place.hashKey), region.load(Place.hashKey + 8)) }

    /// The clients that balancers died of.
    var poison: PoisonList { PoisonList(region: region.slice(Place.poison, count: PoisonList.size), death: deaths) }

    /// What a chaos build counts and is told (``Chaos``).
    var chaos: MemoryRegion { region.slice(Place.chaos, count: Place.poison - Place.chaos) }

    // MARK: Loops

    func record(_ loop: Int) -> LoopMemory.Record {
        let base = Place.loops + loop * Place.loopSize
        return LoopMemory.Record(
            capacity: region.load(base), chunkCount: region.load(base + 4), chunkSize: region.load(base + 8),
            slots: region.load(base + 12), chunks: region.load(base + 16), edges: region.load(base + 20),
            keys: region.load(base + 24), secrets: region.load(base + 28), pipes: region.load(base + 40),
            events: region.load(base + 32), poller: region.load(base + 36))
    }

    func store(_ record: LoopMemory.Record, loop: Int) {
        let base = Place.loops + loop * Place.loopSize
        region.store(record.chunkCount, at: base + 4)
        region.store(record.chunkSize, at: base + 8)
        region.store(record.slots, at: base + 12)
        region.store(record.chunks, at: base + 16)
        region.store(record.edges, at: base + 20)
        region.store(record.keys, at: base + 24)
        region.store(record.secrets, at: base + 28)
        region.store(record.events, at: base + 32)
        region.store(record.poller, at: base + 36)
        region.store(record.pipes, at: base + 40)
        // Last: from here on there is such a loop.
        region.store(record.capacity, at: base)
    }

    // MARK: Names

    /// Writes down what the numbers in slots mean; the half that is not in force, then the word that names it.
    ///
    /// - Returns: `false` when it is too long.
    func store(_ directory: SurvivalDirectory) -> Bool {
        let bytes = Array(directory.json.text.utf8)
        guard bytes.count <= Place.directorySize - 8 else { return false }
        let half = 1 - (region.load(Place.directory, as: UInt32.self) & 1)
        let base = Place.directories + Int(half) * Place.directorySize
        region.store(UInt64(bytes.count), at: base)
        region.write(bytes.span, at: base + 8)
        region.store(half, at: Place.directory)
        return true
    }

    /// What the predecessor's numbers meant; `nil` when it never came so far, or it makes no sense.
    var directory: SurvivalDirectory? {
        let half = region.load(Place.directory, as: UInt32.self) & 1
        let base = Place.directories + Int(half) * Place.directorySize
        let length: UInt64 = region.load(base)
        guard length > 0, length <= UInt64(Place.directorySize - 8) else { return nil }
        var bytes: [UInt8] = []
        region.read(base + 8, length: Int(length), into: &bytes)
        return (try? JSON(parsing: bytes.span)).flatMap(SurvivalDirectory.init)
    }
}
