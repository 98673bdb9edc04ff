// What a stick table promises its sessions: whole keys, bounds, time.

import Balancing
import Testing
import Wire

@Suite("A stick table")
struct StickTableTests {
    @Test("learning a key twice makes one entry with the last server")
    func twice() {
        let sample = SampleTable()
        #expect(sample.learn("a", 1) == .stored)
        #expect(sample.learn("a", 2) == .stored)
        #expect(sample.table.count == 1)
        #expect(sample.lookup("a")?.server == 2)
        #expect(sample.table.counters.inserted == 1)
    }

    @Test("keys with a common prefix of 59 bytes, and keys of every block count, are told apart")
    func wholeKeys() {
        let sample = SampleTable()
        let prefix = [UInt8](repeating: 0x61, count: 59)
        let keys: [[UInt8]] = [
            prefix + [1], prefix + [2], prefix, [0], [0, 0], [UInt8](repeating: 7, count: 64),
            [UInt8](repeating: 7, count: 65), [UInt8](repeating: 7, count: 184), [UInt8](repeating: 7, count: 185),
            [UInt8](repeating: 7, count: 65_534) + [1], [UInt8](repeating: 7, count: 65_534) + [2],
        ]
        // The two longest do not fit together in the reserve of a small shard; the last one evicts.
        for (index, key) in keys.enumerated().dropLast() { #expect(sample.learn(key, UInt64(index)) == .stored) }
        for (index, key) in keys.enumerated().dropLast() { #expect(sample.lookup(key)?.server == UInt64(index)) }
        #expect(sample.lookup(keys[10]) == nil)
        #expect(sample.learn(keys[10], 10) == .stored)
        #expect(sample.lookup(keys[10])?.server == 10)
        #expect(sample.lookup(keys[9]) == nil)
        #expect(sample.table.counters.evicted > 0)
        #expect(sample.learn([UInt8](repeating: 7, count: 65_536), 1) == .refused)
        #expect(sample.learn([UInt8](), 1) == .refused)
    }

    @Test("at the limit the least recently used idle entry makes room")
    func leastRecentlyUsed() {
        let sample = SampleTable(entries: 3)
        for key in ["a", "b", "c"] { #expect(sample.learn(key, 1) == .stored) }
        #expect(sample.lookup("a") != nil)
        #expect(sample.learn("d", 1) == .stored)
        #expect(sample.lookup("b") == nil)
        #expect(sample.lookup("a") != nil)
        #expect(sample.table.counters.evicted == 1)
    }

    @Test("of a hundred thousand the oldest goes when one more comes, and no other")
    func oldest() {
        let sample = SampleTable(entries: 100_000)
        for number in 0..<100_000 { #expect(sample.learn("k\(number)", 1) == .stored) }
        #expect(sample.table.count == 100_000 && sample.table.counters.evicted == 0)
        #expect(sample.learn("one more", 1) == .stored)
        #expect(sample.table.count == 100_000 && sample.table.counters.evicted == 1)
        #expect(sample.lookup("k0") == nil && sample.lookup("one more") != nil)
        #expect((1..<100_000).allSatisfy { sample.lookup("k\($0)") != nil })
    }

    @Test("an entry that was used is spared, but an eviction passes over so many and no more")
    func secondChances() {
        let sample = SampleTable(entries: 100)
        for number in 0..<100 { #expect(sample.learn("k\(number)", 1) == .stored) }
        for number in 0..<99 { #expect(sample.lookup("k\(number)") != nil) }
        #expect(sample.learn("first", 1) == .stored)
        #expect(sample.table.counters.evicted == 1)
        #expect(sample.lookup("k64") == nil)
        // The next eviction passes over the 34 that are left of the used ones, and takes the one that never was.
        #expect(sample.learn("second", 1) == .stored)
        #expect(sample.table.counters.evicted == 2)
        #expect(sample.lookup("k99") == nil)
        #expect(sample.lookup("k0") != nil && sample.lookup("k63") != nil && sample.lookup("k65") != nil)
        #expect(sample.table.count == 100)
    }

    @Test("a connected client is never evicted; when all are connected a new key is refused")
    func connectedStays() {
        let sample = SampleTable(entries: 2)
        #expect(sample.connect("a") == .stored)
        #expect(sample.learn("b", 1) == .stored)
        #expect(sample.connect("c") == .stored)
        #expect(sample.lookup("b") == nil)
        #expect(sample.connect("d") == .refused)
        #expect(sample.table.counters.refused == 1)
        #expect(sample.disconnect("a"))
        #expect(sample.connect("d") == .stored)
        #expect(sample.lookup("a") == nil)
        #expect(!sample.disconnect("a"))
    }

    @Test("an entry lives while its client is connected, and for its time after the last session")
    func sliding() {
        let sample = SampleTable(expire: .seconds(2))
        #expect(sample.connect("a") == .stored)
        #expect(sample.connect("a") == .stored)
        #expect(sample.lookup("a", at: at(1000))?.expires == .distantFuture)
        #expect(sample.disconnect("a", at: at(1000)))
        #expect(sample.lookup("a", at: at(2000))?.connected == 1)
        #expect(sample.disconnect("a", at: at(2000)))
        #expect(sample.table.expire(at: at(2001), examining: 100) == 0)
        #expect(sample.lookup("a", at: at(2001))?.connected == 0)
        #expect(sample.lookup("a", at: at(2002)) == nil)
        #expect(sample.table.count == 0)
        #expect(sample.table.counters.expired == 1)
    }

    @Test("the expiry step takes memory back in bounded steps")
    func expiryStep() {
        let sample = SampleTable(expire: .seconds(2))
        for index in 0..<50 { #expect(sample.learn("k\(index)", 1) == .stored) }
        #expect(sample.table.expire(at: at(2), examining: 20) == 20)
        #expect(sample.table.expire(at: at(2), examining: 100) == 30)
        #expect(sample.table.count == 0)
        #expect(sample.table.digests.allSatisfy { $0 == 0 })
    }

    @Test("what the peer holds does not expire until the link is down")
    func held() {
        let sample = SampleTable(entries: 1, expire: .seconds(2))
        sample.table.peerLinkUp()
        #expect(sample.merge("a", remote(5, present: true)) == .applied)
        #expect(sample.lookup("a", at: at(100))?.isHeldByPeer == true)
        #expect(sample.connect("b", at: at(100)) == .refused)
        sample.table.peerLinkDown(at: at(100))
        #expect(sample.lookup("a", at: at(101))?.expires == at(102))
        #expect(sample.lookup("a", at: at(102)) == nil)
    }

    @Test("a delete leaves a tombstone; tombstones are bounded in number and time")
    func tombstones() {
        let sample = SampleTable(entries: 100)
        for index in 0..<30 {
            #expect(sample.learn("k\(index)", 1) == .stored)
            #expect(sample.delete("k\(index)"))
            #expect(!sample.delete("k\(index)"))
            #expect(sample.lookup("k\(index)") == nil)
        }
        #expect(sample.table.count == 0)
        #expect(sample.table.tombstoneCount == sample.settings.tombstones)
        #expect(sample.table.counters.tombstonesDropped == UInt64(30 - sample.settings.tombstones))
        #expect(sample.learn("k29", 2) == .stored)
        #expect(sample.lookup("k29")?.server == 2)
        sample.table.expire(at: at(3600), examining: 1000)
        #expect(sample.table.tombstoneCount == 0)
    }

    @Test("changes are found once, superseded ones are passed over, an overrun is said")
    func ring() {
        let sample = SampleTable(entries: 8)
        for key in ["a", "b", "a", "c"] { #expect(sample.learn(key, 1) == .stored) }
        var seen: [String] = []
        let result = sample.table.changes(after: 0, examining: 100) { block in
            var key: [UInt8] = []
            sample.table.appendKey(of: block, to: &key)
            seen.append(String(decoding: key, as: UTF8.self))
            return true
        }
        #expect(result == .upTo(4))
        #expect(seen == ["b", "a", "c"])
        #expect(sample.table.changes(after: 0, examining: 2) { _ in true } == .upTo(2))
        #expect(sample.table.changes(after: 1, examining: 9) { _ in false } == .upTo(1))
        for _ in 0..<5 { #expect(sample.learn("d", 1) == .stored) }
        #expect(sample.table.changes(after: 0, examining: 100) { _ in true } == .overrun)
        #expect(sample.table.changes(after: 1, examining: 100) { _ in true } == .upTo(9))
    }

    @Test("it agrees with a dictionary over thousands of random operations", arguments: StickTableSeeds.all(20))
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let sample = SampleTable(entries: 200)
        var model: [String: UInt64] = [:]
        for _ in 0..<3000 {
            let name = "client-\(random.next() % 150)"
            let key = random.next() % 3 == 0 ? name + String(repeating: "x", count: 100) : name
            switch random.next() % 3 {
            case 0:
                let server = random.next() % 5
                #expect(sample.learn(key, server) == .stored, StickTableSeeds.replay(seed))
                model[key] = server
            case 1:
                #expect(sample.delete(key) == (model.removeValue(forKey: key) != nil), StickTableSeeds.replay(seed))
            default:
                #expect(sample.lookup(key)?.server == model[key], StickTableSeeds.replay(seed))
            }
        }
        #expect(sample.table.count == model.count, StickTableSeeds.replay(seed))
        var listed: [StickTable.Listed] = []
        var position: Int? = 0
        while let from = position { position = sample.table.list(from: from, examining: 7, at: .zero, into: &listed) }
        #expect(Set(listed.map { String(decoding: $0.key, as: UTF8.self) }) == Set(model.keys))
    }

    @Test("an entry costs at most 150 bytes beside its key")
    func memory() {
        let settings = StickTable.Settings(
            entries: 1_000_000, expire: .seconds(60), node: 1, hashKey: SampleTable.key)
        // A record's block holds its key of up to 64 bytes; typical client IDs have 23.
        #expect(StickTable.bytes(for: settings) <= 1_000_000 * (150 + 23))
    }
}
