// The keys of TLS sessions whose records are ours, in memory that is kept from swap, cores and other eyes.

import Synchronization
import TLS
import Wire

/// The keys of one side of a session: of what it sends, and of what we send to it.
struct KeyPair: BitwiseCopyable {
    /// Keys without the number of the next record, which is committed with the bytes.
    private struct Stored: BitwiseCopyable {
        var generation: UInt32
        var iv: InlineArray<12, UInt8>
        var key: InlineArray<32, UInt8>
        var secret: InlineArray<48, UInt8>

        var keys: RecordKeys {
            @inline(__always) get {
                var keys = RecordKeys()
                keys.generation = generation
                keys.iv = iv
                keys.key = key
                keys.secret = secret
                return keys
            }
        }

        @inline(__always)
        init(_ keys: RecordKeys) {
            generation = keys.generation
            iv = keys.iv
            key = keys.key
            secret = keys.secret
        }
    }

    private var from: Stored
    private var to: Stored
    var reading: RecordKeys {
        @inline(__always) get { from.keys }
        set { from = Stored(newValue) }
    }
    var writing: RecordKeys {
        @inline(__always) get { to.keys }
        set { to = Stored(newValue) }
    }

    init(reading: RecordKeys, writing: RecordKeys) {
        from = Stored(reading)
        to = Stored(writing)
    }
}

/// ``KeyPair``s by the number of an edge, for clients and for servers, in a mapped file that a successor maps too.
///
/// New keys (RFC 8446, 4.6.3) are written beside the old ones first. What an edge commits names the generation its numbers
/// count with: the commit is what makes the new keys those in force. Then they take the place of the old ones, which are
/// gone with that. Whoever dies in between leaves both, and the successor does the last step.
@safe
struct SessionKeys: ~Copyable {
    /// Keys that are not in force yet.
    private struct Change: BitwiseCopyable {
        /// The edge they are for; 0: there is no change.
        var edge: UInt32 = 0
        var isClient = false
        var keys = RecordKeys()
    }

    /// Two changes can be under way before one commit: of what is read from one side, of what is written to the other.
    private enum Place {
        static let reading = 0
        static let writing = 1
        /// Bytes before the pairs.
        static let count = 4096
    }

    // Sound: the pointers lead to so many values of a mapping that is never unmapped; zero bytes are a value of each, and
    // every access checks its index. Only the loop that owns the keys touches them.
    private let changes: UnsafeMutablePointer<Change>
    private let pairs: UnsafeMutablePointer<KeyPair>
    private let capacity: Int

    /// Bytes for so many sessions.
    static func bytes(capacity: Int) -> Int { Place.count + 2 * (capacity + 1) * MemoryLayout<KeyPair>.stride }

    /// - Parameter region: its memory; zero, or what a former process left.
    init(capacity: Int, region: MemoryRegion) {
        unsafe changes = region.slice(0, count: Place.count).bind(to: Change.self, count: 2)
        unsafe pairs = region.slice(Place.count, count: region.count - Place.count)
            .bind(to: KeyPair.self, count: 2 * (capacity + 1))
        self.capacity = capacity
    }

    /// Clients and servers apart: where servers speak in the clear their half is never touched.
    private func place(_ edge: UInt32, _ client: Bool) -> Int {
        precondition(edge != 0 && Int(edge) <= capacity)
        return Int(edge) + (client ? 0 : capacity + 1)
    }

    /// The keys of what a side sends.
    @inline(__always)
    func reading(_ edge: UInt32, client: Bool) -> RecordKeys { unsafe pairs[place(edge, client)].reading }

    /// The keys of what is sent to a side: new ones as soon as they were prepared.
    @inline(__always)
    func writing(_ edge: UInt32, client: Bool) -> RecordKeys {
        let change = unsafe changes[Place.writing]
        if change.edge == edge, change.isClient == client { return change.keys }
        return unsafe pairs[place(edge, client)].writing
    }

    /// The first keys of a side.
    func install(_ pair: KeyPair, _ edge: UInt32, client: Bool) { unsafe pairs[place(edge, client)] = pair }

    /// New keys of a side, in force with the next commit that names their generation.
    func prepare(_ keys: RecordKeys, _ edge: UInt32, client: Bool, isReading: Bool) {
        let place = isReading ? Place.reading : Place.writing
        // What stands there was never committed: each commit settles.
        unsafe changes[place].edge = 0
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        unsafe changes[place].keys = keys
        unsafe changes[place].isClient = client
        Chaos.point(.newKeysStored)
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        // Last: whoever finds the edge finds the keys.
        unsafe changes[place].edge = edge
        Chaos.point(.newKeysPrepared)
    }

    /// Whether new keys wait for a commit.
    var isChanging: Bool {
        @inline(__always) get {
            unsafe changes[Place.reading].edge != 0 || changes[Place.writing].edge != 0
        }
    }

    /// Lets what was committed come true: prepared keys whose generation is in force take their place, others are
    /// forgotten.
    ///
    /// - Parameter generation: the lowest bits of the generation that an edge's numbers count with; `nil`: it is not in
    ///   use.
    func settle(_ generation: (_ edge: UInt32, _ isClient: Bool, _ isReading: Bool) -> UInt8?) {
        for number in [Place.reading, Place.writing] {
            let change = unsafe changes[number]
            guard change.edge != 0 else { continue }
            let isReading = number == Place.reading
            if Int(change.edge) <= capacity, let wanted = generation(change.edge, change.isClient, isReading),
                wanted == UInt8(truncatingIfNeeded: change.keys.generation)
            {
                let place = place(change.edge, change.isClient)
                if isReading { unsafe pairs[place].reading = change.keys } else { unsafe pairs[place].writing = change.keys }
            }
            Chaos.point(.newKeysMoved)
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            unsafe changes[number].edge = 0
            Chaos.point(.oldKeysForgotten)
            unsafe changes[number] = Change()
        }
    }

    /// Overwrites what a former process may have left of a change that was over.
    func wipeChanges() {
        precondition(!isChanging)
        for number in [Place.reading, Place.writing] { unsafe changes[number] = Change() }
    }

    /// Overwrites the keys of a side that is over.
    func wipe(_ edge: UInt32, client: Bool) {
        let place = place(edge, client)
        unsafe pairs[place] = KeyPair(reading: RecordKeys(), writing: RecordKeys())
    }

    /// Whether a side's numbers count with keys that are there.
    func matches(_ edge: UInt32, client: Bool, reading: UInt8, writing: UInt8) -> Bool {
        let pair = unsafe pairs[place(edge, client)]
        return UInt8(truncatingIfNeeded: pair.reading.generation) == reading
            && UInt8(truncatingIfNeeded: pair.writing.generation) == writing
    }
}
