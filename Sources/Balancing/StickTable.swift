// One shard of a stick table: which server a client's session lives on, in memory that outlives the process.

package import Wire

/// One shard of a table from whole client IDs to servers.
///
/// Everything about an entry is plain data in a ``MemoryRegion`` (a mapped memfd in the daemon): 128-byte blocks, of
/// which a record with a key of up to 64 bytes takes one. After the death of the process ``init(adopting:settings:at:)``
/// reads the records back; index, lists and digests are rebuilt. A record counts only when its seal, stored last,
/// matches its contents, so what was half-written is dropped and never believed.
///
/// An entry lives while its client is connected here (``connect(_:hash:server:at:)``), while the peer says the client is
/// connected there and the link is up, and for `expire` after that. It is bounded: at the limit an entry
/// that nobody holds and nobody used for long makes room, and when all are held, the new key is refused.
///
/// Every local write raises the shard's Lamport counter and takes the next update number; the ring of the last changes
/// and the digests are what replication reads (``changes(after:examining:_:)``, ``digests``). Keys are hashed by the
/// caller with ``HashKey/hash(_:)``, once for shard and index.
///
/// Not synchronised: whoever shares a shard between threads puts it in a lock.
package struct StickTable: ~Copyable {
    /// Which list a record is in. Lists are ordered by last change, oldest first; what was used since then goes back to the
    /// young end when its turn to be evicted comes (``secondChances``).
    enum Membership: UInt8 {
        /// Connected here: never evicted.
        case connected = 0
        /// Nobody is connected: the first to make room.
        case idle = 1
        /// Connected at the peer: makes room only while the link is down.
        case held = 2
        case tombstone = 3
    }

    /// The ends of a list.
    struct List {
        var oldest = StickTable.none
        var newest = StickTable.none
        var count = 0
    }

    package private(set) var settings: Settings
    let region: MemoryRegion
    let layout: Layout

    var lists = InlineArray<4, List>(repeating: List())
    var freeBlock = StickTable.none
    var freeBlocks = 0
    /// Blocks from here on were never used.
    var highWater = 0
    /// Where the next expiry step goes on.
    var sweep = 0
    /// Since when the peer link is down; nil while it is up.
    package internal(set) var peerDownSince: Instant?
    /// The last update number given; 0: none yet.
    package internal(set) var lastUpdate: UInt64 = 0
    /// The highest version counter this shard has seen.
    package internal(set) var highestCounter: UInt64 = 0
    /// One digest per bucket (docs/replication.md, 7).
    package internal(set) var digests = [UInt64](repeating: 0, count: StickTable.buckets)
    package internal(set) var counters = StickTableCounters()

    /// The number of digest buckets.
    package static let buckets = 1024

    /// Formats `region` as an empty shard; what it held is forgotten.
    ///
    /// - Parameter region: at least ``bytes(for:)`` bytes.
    package init(creating region: MemoryRegion, settings: Settings, at now: Instant) {
        let layout = Layout(settings)
        precondition(region.count >= layout.bytes, "the region is too small for the shard")
        self.settings = settings
        self.region = region
        self.layout = layout
        peerDownSince = now
        region.store(UInt64(0), at: Header.magic)
        clearIndex()
        region.store(Header.formatValue, at: Header.format)
        region.store(UInt64(layout.blocks), at: Header.blocks)
        region.store(UInt64(layout.slots), at: Header.slots)
        region.store(UInt64(layout.ring), at: Header.ring)
        region.store(UInt64(0), at: Header.highWater)
        region.store(UInt64(0), at: Header.highestCounter)
        storeIdentity()
        region.store(Header.magicValue, at: Header.magic)
    }

    /// For ``init(adopting:settings:at:)``: an empty table over a region that is already known to fit.
    init(unread region: MemoryRegion, settings: Settings, layout: Layout, at now: Instant) {
        self.settings = settings
        self.region = region
        self.layout = layout
        peerDownSince = now
    }

    /// Entries live so long after their client went, from their next change on.
    ///
    /// - Parameter expire: more than zero.
    package mutating func setExpire(_ expire: Duration) {
        precondition(expire > .zero, "a table's times are positive")
        settings.expire = expire
    }

    /// Bytes of the region, from its beginning, that were ever used.
    package var usedBytes: Int { layout.blocksOffset + highWater * Field.blockBytes }

    /// Live entries.
    package var count: Int { connectedCount + idleCount + heldCount }
    /// Entries whose client is connected here.
    package var connectedCount: Int { lists[Int(Membership.connected.rawValue)].count }
    /// Entries whose client is connected nowhere.
    package var idleCount: Int { lists[Int(Membership.idle.rawValue)].count }
    /// Entries whose client is connected at the other host.
    package var heldCount: Int { lists[Int(Membership.held.rawValue)].count }
    package var tombstoneCount: Int { lists[Int(Membership.tombstone.rawValue)].count }

    func storeIdentity() {
        region.store(settings.hashKey.k0, at: Header.k0)
        region.store(settings.hashKey.k1, at: Header.k1)
        region.store(settings.node, at: Header.node)
    }
}
