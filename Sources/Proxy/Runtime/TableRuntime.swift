// A stick table in force: its shards, each under a lock of its own, in memory that outlives the process.

import Balancing
import Configuration
import Linux
import Synchronization
import Wire

/// Shares a stick table between the loops, replication and the operator.
///
/// A loop touches it when a CONNECT is read, when its CONNACK arrives and when the session ends; a shard's lock is held
/// for one operation.
final class TableRuntime: Sendable {
    /// What a session's CONNACK changed.
    enum Learned {
        /// A new entry.
        case learned
        /// The entry named this server already.
        case known
        /// The entry named another server.
        case moved
        /// The table is full of clients that are connected.
        case refused
    }

    /// Shards of every table: more than loops there will be, so that two loops seldom meet.
    static let shardCount = 16

    /// Number in the ``Snapshot``; never given to another table.
    let number: UInt16
    let name: String
    private let current: Mutex<Configuration.TableSettings>
    let hashKey: StickTable.HashKey
    let shards: [Shard]
    private let pages: Mutex<TablePages>
    /// Rung after every change that the peer should hear of.
    let changed: @Sendable () -> Void
    /// Records dropped at adoption because their writer died while writing them.
    var torn: UInt64 { shards.reduce(0) { $0 + $1.torn } }
    /// Whether entries of a former process were taken over.
    var isAdopted: Bool { shards.allSatisfy(\.isAdopted) }
    /// Whether every shard is open; the others are opened by whoever needs them.
    var isOpen: Bool { shards.allSatisfy(\.isOpen) }

    /// - Parameters:
    ///   - region: at least ``bytes(for:)`` bytes; entries that a former process left in it are taken over.
    ///   - isDeferred: not now, but when they are needed, or by a ``ShardOpening`` in the background.
    init(
        number: UInt16, settings: Configuration.TableSettings, node: UInt32, hashKey: StickTable.HashKey,
        region: MemoryRegion, isDeferred: Bool = false, at now: Instant, changed: @escaping @Sendable () -> Void
    ) {
        self.number = number
        name = settings.name
        current = Mutex(settings)
        self.hashKey = hashKey
        self.changed = changed
        let shardSettings = Self.shardSettings(settings, node: node, hashKey: hashKey)
        let size = StickTable.bytes(for: shardSettings)
        pages = Mutex(TablePages(region, shardBytes: size))
        shards = (0..<Self.shardCount).map { Shard(region.slice($0 * size, count: size), shardSettings, at: now) }
        if !isDeferred { ShardOpening(shards).run() }
    }

    /// The settings in force.
    var settings: Configuration.TableSettings { current.withLock { $0 } }

    /// Whether the table can go on with these settings: its memory was made for its size.
    func fits(_ settings: Configuration.TableSettings) -> Bool {
        settings.name == name && settings.size == self.settings.size
    }

    /// Goes on with other settings that ``fits(_:)``.
    func apply(_ settings: Configuration.TableSettings) {
        precondition(fits(settings), "another size needs other memory")
        let former = current.withLock { current in
            defer { current = settings }
            return current
        }
        guard former.expire != settings.expire else { return }
        for shard in shards {
            shard.open()
            shard.table.withLock { $0.setExpire(settings.expire) }
        }
    }

    /// Bytes of memory for a table of these settings.
    static func bytes(for settings: Configuration.TableSettings) -> Int {
        // Neither node nor key changes the layout.
        shardCount * StickTable.bytes(for: shardSettings(settings, node: 0, hashKey: StickTable.HashKey(0, 0)))
    }

    private static func shardSettings(
        _ settings: Configuration.TableSettings, node: UInt32, hashKey: StickTable.HashKey
    ) -> StickTable.Settings {
        let entries = max(1, (settings.size + shardCount - 1) / shardCount)
        return StickTable.Settings(entries: entries, expire: settings.expire, node: node, hashKey: hashKey)
    }

    /// The shard of a key, open.
    func shard(of hash: UInt64) -> Shard {
        let shard = shards[StickTable.shard(of: hash, count: shards.count)]
        shard.open()
        return shard
    }

    // MARK: Sessions

    /// The server this client's session lives on.
    func server(for id: [UInt8], at now: Instant) -> Server.ID? {
        let hash = hashKey.hash(id.span)
        return shard(of: hash).table.withLock { $0.server(of: id.span, hash: hash, at: now) }
    }

    /// A session of this client was accepted by a server.
    func connected(_ id: [UInt8], server: Server.ID, at now: Instant) -> Learned {
        let hash = hashKey.hash(id.span)
        let result = shard(of: hash).table.withLock { table -> Learned in
            let former = table.server(of: id.span, hash: hash, at: now)
            guard table.connect(id.span, hash: hash, server: server, at: now) == .stored else { return .refused }
            guard let former else { return .learned }
            return former == server ? .known : .moved
        }
        changed()
        return result
    }

    /// A session counted by ``connected(_:server:at:)`` ended.
    func disconnected(_ id: [UInt8], at now: Instant) {
        let hash = hashKey.hash(id.span)
        _ = shard(of: hash).table.withLock { $0.disconnect(id.span, hash: hash, at: now) }
        changed()
    }

    /// Forgets where a client lives, if that is still this server.
    func forget(_ id: [UInt8], at server: Server.ID, _ now: Instant) {
        let hash = hashKey.hash(id.span)
        let isForgotten = shard(of: hash).table.withLock { table in
            table.lookup(id.span, hash: hash, at: now)?.server == server && table.delete(id.span, hash: hash, at: now)
        }
        if isForgotten { changed() }
    }

    // MARK: The operator

    func entry(_ id: [UInt8], at now: Instant) -> StickTableEntry? {
        let hash = hashKey.hash(id.span)
        return shard(of: hash).table.withLock { $0.lookup(id.span, hash: hash, at: now) }
    }

    /// Points a client at a server; `false` when the table refused.
    func set(_ id: [UInt8], server: Server.ID, at now: Instant) -> Bool {
        let hash = hashKey.hash(id.span)
        let outcome = shard(of: hash).table.withLock { $0.set(id.span, hash: hash, server: server, at: now) }
        changed()
        return outcome == .stored
    }

    /// Forgets a client; `false` when it was not known.
    func delete(_ id: [UInt8], at now: Instant) -> Bool {
        let hash = hashKey.hash(id.span)
        let found = shard(of: hash).table.withLock { $0.delete(id.span, hash: hash, at: now) }
        changed()
        return found
    }

    /// Live entries from a place on, at most about `most`; where to go on, or `nil` at the end.
    func list(from place: (shard: Int, position: Int), most: Int, at now: Instant)
        -> (entries: [StickTable.Listed], next: (shard: Int, position: Int)?)
    {
        guard place.shard < shards.count else { return ([], nil) }
        var entries: [StickTable.Listed] = []
        shards[place.shard].open()
        let next = shards[place.shard].table.withLock { table in
            var found: [StickTable.Listed] = []
            let next = table.list(from: place.position, examining: most, at: now, into: &found)
            entries = found
            return next
        }
        if let next { return (entries, (place.shard, next)) }
        return (entries, place.shard + 1 < shards.count ? (place.shard + 1, 0) : nil)
    }

    /// Takes back the memory of what has expired, and makes a huge page where enough is in use; a bounded piece of work, to be
    /// called regularly.
    func keep(at now: Instant) {
        guard isOpen else { return }
        var used: [Int] = []
        for shard in shards {
            shard.table.withLock { table in
                table.expire(at: now, examining: 256)
                used.append(table.usedBytes)
            }
        }
        pages.withLock { $0.gather(used, at: now) }
    }

    /// Huge pages under the table.
    var hugePages: Int { pages.withLock { $0.gathered } }

    /// Sums over the shards that are open, as `status` shows them: for a moment after a death (`opening`) not over all.
    func json() -> JSON {
        var entries = 0
        var connected = 0
        var held = 0
        var tombstones = 0
        var counters = StickTableCounters()
        for shard in shards where shard.isOpen {
            shard.table.withLock { table in
                entries += table.count
                connected += table.connectedCount
                held += table.heldCount
                tombstones += table.tombstoneCount
                counters.evicted += table.counters.evicted
                counters.expired += table.counters.expired
                counters.refused += table.counters.refused
                counters.merged += table.counters.merged
            }
        }
        return [
            "name": .string(name), "entries": JSON(entries), "size": JSON(settings.size),
            "connected": JSON(connected), "held_by_peer": JSON(held), "tombstones": JSON(tombstones),
            "evicted": JSON(counters.evicted), "expired": JSON(counters.expired), "refused": JSON(counters.refused),
            "merged": JSON(counters.merged), "torn": JSON(torn), "adopted": JSON(isAdopted),
            "opening": JSON(!isOpen),
            "replicates": JSON(settings.replicates), "huge_pages": JSON(hugePages),
            "huge_pages_refused": JSON(pages.withLock { $0.refused }),
        ]
    }
}
