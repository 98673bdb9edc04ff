// What a stick table costs on this machine: memory, lookups, adoption, replication.

import Balancing
import Configuration
import Linux
import Replication
import Synchronization
import TLS
package import Wire

/// A full stick table in memory like the balancer's, and a second one that fetches its entries over the pair link.
package struct TableMeasurement {
    /// Why nothing could be measured.
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String
    }

    /// Most entries that are measured.
    package static let maximumEntries = 1 << 24
    /// How long the other table may take to fetch everything.
    private static let patience: Duration = .seconds(120)
    /// Lookups of a round, and rounds; the median round counts.
    private static let lookups = 200_000
    private static let rounds = 9

    /// Entries in the table.
    let entries: Int
    /// Whether the entries are fetched by a second table.
    let replicates: Bool

    /// - Parameter entries: 1 … ``maximumEntries``.
    package init(entries: Int, replicates: Bool) {
        precondition(entries >= 1 && entries <= Self.maximumEntries, "entries out of range")
        self.entries = entries
        self.replicates = replicates
    }

    /// One object with the figures; nanoseconds of this thread's processor time, or of the clock where the name says so.
    ///
    /// - Throws: ``Refusal`` when memory, sockets or a thread are refused, or the other table does not get everything.
    package func run() throws(Refusal) -> JSON {
        do {
            let memory = try region()
            let table = makeTable(memory)
            let filled = fill(table)
            let small = lookUp(table, from: 0)
            gather(table)
            let (found, missed) = (lookUp(table, from: 0), lookUp(table, from: entries))
            let adopting = Clock.now
            let adopted = makeTable(memory)
            let adoption = (Clock.now - adopting).wholeMilliseconds
            guard adopted.isAdopted, adopted.torn == 0, Self.count(adopted) == entries else {
                throw Refusal(description: "the table was not adopted whole")
            }
            var members: [JSON.Member] = [
                .init("scenario", "table"), .init("entries", JSON(entries)), .init("key_bytes", JSON(Key().bytes.count)),
                .init("bytes_each", JSON(memory.count / settings.size)), .init("learn_ns", JSON(filled)),
                .init("lookup_ns", JSON(found)), .init("lookup_small_pages_ns", JSON(small)),
                .init("huge_pages", JSON(table.hugePages)), .init("lookup_missing_ns", JSON(missed)),
                .init("adoption_ms_clock", JSON(adoption)),
            ]
            if replicates {
                let (nanoseconds, bytes) = try replicate(adopted)
                members += [
                    .init("replication_per_second_clock", JSON(Int64(entries) * 1_000_000_000 / max(1, nanoseconds))),
                    .init("replication_bytes_each", JSON(bytes / Int64(entries))),
                ]
            }
            return .object(members)
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Refusal(description: "\(error)")
        }
    }

    // MARK: The table

    private var settings: Configuration.TableSettings {
        var settings = Configuration.TableSettings(name: "sessions")
        // Keys do not fall evenly into the shards: a little room, so that nothing is evicted.
        settings.size = entries + entries / 50 + 1024
        settings.replicates = true
        return settings
    }

    /// Memory as the balancer's tables have it: a file in memory, mapped.
    private func region() throws(Errno) -> MemoryRegion {
        let file = try Memfd.create(name: "table", size: TableRuntime.bytes(for: settings))
        return try Memfd.map(file.number, alignment: HugePages.size)
    }

    private func makeTable(_ region: MemoryRegion, node: UInt32 = 1) -> TableRuntime {
        TableRuntime(
            number: 0, settings: settings, node: node, hashKey: StickTable.HashKey(1, 2), region: region, at: Clock.now,
            changed: {})
    }

    private static func count(_ table: TableRuntime) -> Int {
        var count = 0
        for shard in 0..<table.shardCount { table.withShard(shard) { count += $0.count } }
        return count
    }

    /// Lets the table have the huge pages that the balancer gives it within seconds.
    private func gather(_ table: TableRuntime) {
        var before = -1
        while table.hugePages > before {
            before = table.hugePages
            table.keep(at: Clock.now)
        }
    }

    // MARK: Lookups

    /// A client ID that names a number: 23 bytes, the longest every MQTT 3.1 server takes.
    private struct Key {
        var bytes = Array("sensor/000000000/reading".utf8.dropLast())

        mutating func set(_ number: Int) {
            var rest = number
            for place in stride(from: 15, through: 7, by: -1) {
                bytes[place] = UInt8(48 + rest % 10)
                rest /= 10
            }
        }
    }

    /// Learns all entries as sessions do; nanoseconds each.
    private func fill(_ table: TableRuntime) -> Int64 {
        var key = Key()
        let start = Clock.threadTime
        for number in 0..<entries {
            key.set(number)
            let now = Clock.now
            _ = table.connected(key.bytes, server: UInt64(number & 7), at: now)
            table.disconnected(key.bytes, at: now)
        }
        return (Clock.threadTime - start) / Int64(entries)
    }

    /// Looks clients up in no order, from a number on; nanoseconds each, the making of the keys taken off.
    private func lookUp(_ table: TableRuntime, from first: Int) -> Int64 {
        var generator = SeededGenerator(seed: 7)
        var key = Key()
        let now = Clock.now
        var times: [Int64] = []
        for _ in 0..<Self.rounds {
            var sum = 0
            let begin = Clock.threadTime
            for _ in 0..<Self.lookups {
                key.set(first + Int(generator.next() % UInt64(entries)))
                sum &+= Int(key.bytes[9])
            }
            let start = Clock.threadTime
            for _ in 0..<Self.lookups {
                key.set(first + Int(generator.next() % UInt64(entries)))
                sum &+= Int(truncatingIfNeeded: table.server(for: key.bytes, at: now) ?? 0)
            }
            let end = Clock.threadTime
            // What was computed is used, so that none of it is left out.
            precondition(sum != .min, "the sum of lookups")
            times.append(((end - start) - (start - begin)) / Int64(Self.lookups))
        }
        return times.sorted()[Self.rounds / 2]
    }

    // MARK: Replication

    /// What the two ends of the link tell each other beside it.
    private final class Progress: Sendable {
        let isDone = Atomic<Bool>(false)
        let failure = Mutex<String?>(nil)
        let bytes = Atomic<Int64>(0)
    }

    /// Two ends of the pair link over loopback, TLS and all, a thread each; until an empty table has everything.
    ///
    /// - Returns: nanoseconds of the clock since the link stood, and bytes received.
    private func replicate(_ full: TableRuntime) throws -> (nanoseconds: Int64, bytes: Int64) {
        Signals.ignorePipe()
        let empty = makeTable(try region(), node: 2)
        let progress = Progress()
        let secret = PairSecret.generate()
        let port = UInt16.random(in: 20_000...29_000)
        var start: Instant?
        let end = Clock.now + Self.patience
        let sender = try Thread(name: "bench sender") {
            Self.serve(1, of: full, port: port, secret: secret, progress) { _ in progress.isDone.load(ordering: .acquiring) }
        }
        Self.serve(0, of: empty, port: port, secret: secret, progress) { link in
            if start == nil, link.isLinked { start = Clock.now }
            progress.bytes.store(Int64(clamping: link.session.counters.bytesReceived), ordering: .relaxed)
            return Self.count(empty) >= entries || Clock.now > end || progress.isDone.load(ordering: .acquiring)
        }
        let nanoseconds = start.map { (Clock.now - $0).nanoseconds } ?? 0
        progress.isDone.store(true, ordering: .releasing)
        sender.join()
        if let failure = progress.failure.withLock({ $0 }) { throw Refusal(description: failure) }
        guard Self.count(empty) == entries else {
            throw Refusal(description: "the other table has \(Self.count(empty)) of \(entries) entries")
        }
        return (nanoseconds, progress.bytes.load(ordering: .relaxed))
    }

    /// One end of the link, on the calling thread, until `isDone`.
    private static func serve(
        _ side: Int, of table: TableRuntime, port: UInt16, secret: PairSecret, _ progress: Progress,
        until isDone: (PairLink) -> Bool
    ) {
        do {
            let nodes = ["a", "b"].enumerated().map { index, name in
                Configuration.Node(name: name, address: .v4(IPv4Address(127, 0, 0, UInt8(index + 1))))
            }
            let loop = try EventLoop()
            let link = try PairLink(
                on: loop, log: nil, local: nodes[side], peer: nodes[1 - side], port: port, secret: secret, tables: [table],
                facts: { NodeFacts() })
            link.start()
            defer { link.close() }
            while !isDone(link) { try loop.turn(limit: .milliseconds(10)) }
        } catch {
            progress.failure.withLock { $0 = "\(error)" }
            progress.isDone.store(true, ordering: .releasing)
        }
    }
}
