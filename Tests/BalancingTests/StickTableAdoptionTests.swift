// A stick table whose process died at any byte is taken over without believing anything half-written.

import Balancing
import Testing
import Wire

@Suite("Adopting a stick table")
struct StickTableAdoptionTests {
    @Test("entries, tombstones and digests are back; nobody is connected; counters go on")
    func whole() throws {
        let sample = SampleTable()
        #expect(sample.learn("a", 1) == .stored)
        #expect(sample.learn(String(repeating: "l", count: 1000), 2) == .stored)
        #expect(sample.learn("gone", 3) == .stored)
        #expect(sample.delete("gone"))
        let digests = sample.table.digests
        let counter = sample.table.highestCounter
        sample.table = try StickTable(adopting: sample.region, settings: sample.settings, at: at(1))
        #expect(sample.table.digests == digests)
        #expect(sample.table.highestCounter == counter)
        #expect(sample.table.count == 2 && sample.table.tombstoneCount == 1)
        #expect(sample.table.counters.torn == 0)
        #expect(sample.connect("b", 5, at: at(1)) == .stored)
        sample.table = try StickTable(adopting: sample.region, settings: sample.settings, at: at(100))
        let entry = sample.lookup("b", at: at(100))
        #expect(entry?.connected == 0)
        #expect(entry?.value.isPresent == false)
        #expect(entry?.expires == at(160))
    }

    @Test("another hash key, as a new process may have, finds the same keys")
    func otherKey() throws {
        let sample = SampleTable()
        #expect(sample.learn("a", 7) == .stored)
        var settings = sample.settings
        settings.hashKey = StickTable.HashKey(1, 2)
        var table = try StickTable(adopting: sample.region, settings: settings, at: .zero)
        let key = Array("a".utf8)
        let span = key.span
        #expect(table.lookup(span, hash: settings.hashKey.hash(span), at: .zero)?.server == 7)
    }

    @Test("what is no table, another format or another size is refused")
    func refusals() {
        let sample = SampleTable(entries: 100)
        var bigger = sample.settings
        bigger.entries = 101
        #expect(throws: StickTable.AdoptionRefusal.otherLayout) {
            _ = try StickTable(adopting: sample.region, settings: bigger, at: .zero)
        }
        sample.region.store(UInt32(77), at: 8)
        #expect(throws: StickTable.AdoptionRefusal.otherFormat(77)) {
            _ = try StickTable(adopting: sample.region, settings: sample.settings, at: .zero)
        }
        let empty = MemoryRegion.allocate(count: sample.region.count)
        #expect(throws: StickTable.AdoptionRefusal.notATable) {
            _ = try StickTable(adopting: empty, settings: sample.settings, at: .zero)
        }
    }

    /// What a program leaves to another version of itself: whoever makes this fail raises `Header.formatValue`, so that no table is
    /// read by a program that finds other things in its places.
    @Test("what is in memory is what this format says, byte for byte")
    func format() {
        let sample = SampleTable(entries: 20)
        #expect(sample.connect("sensor/000000001/readin", 0x0102_0304_0506_0708, at: at(5)) == .stored)
        #expect(sample.learn(String(repeating: "k", count: 100), 2, at: at(6)) == .stored)
        #expect(sample.merge("peer", remote(9, node: 3, server: 4, present: true), at: at(7)) == .applied)
        #expect(sample.delete("peer", at: at(8)))
        var bytes: [UInt8] = []
        sample.region.read(0, length: sample.region.count, into: &bytes)
        let digest = SipHash(1, 2).hash(bytes.span)
        #expect(StickTable.format == 2 && digest == 16_339_430_935_280_643_618, "format \(StickTable.format): \(digest)")
    }

    @Test("a write torn anywhere costs at most its own entry", arguments: StickTableSeeds.all(40))
    func torn(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sample = SampleTable(entries: 40)
        var before: [String: UInt64] = [:]
        for index in 0..<30 {
            let key = "k\(index)" + String(repeating: "y", count: index % 3 == 0 ? 150 : 0)
            #expect(sample.learn(key, UInt64(index)) == .stored)
            before[key] = UInt64(index)
        }
        var old: [UInt8] = []
        sample.region.read(0, length: sample.region.count, into: &old)
        let victim = "k5"
        let isNew = random.next() % 2 == 1
        if !isNew {
            #expect(sample.learn(victim, 99) == .stored)
        } else {
            #expect(sample.learn("new" + String(repeating: "z", count: 200), 99) == .stored)
        }
        var new: [UInt8] = []
        sample.region.read(0, length: sample.region.count, into: &new)
        // Any subset of the changed bytes may have arrived.
        for index in old.indices where old[index] != new[index] && random.next() % 2 == 0 {
            sample.region.store(old[index], at: index)
        }
        // Said before the first of the bytes that are not one record's, and until after the last.
        if isNew { sample.region.store(UInt32(1), at: Self.unsettled) }
        sample.table = try StickTable(adopting: sample.region, settings: sample.settings, at: .zero)
        for (key, server) in before where key != victim {
            #expect(sample.lookup(key)?.server == server, StickTableSeeds.replay(seed))
        }
        let found = sample.lookup(victim)?.server
        #expect(found == nil || found == 5 || found == 99, StickTableSeeds.replay(seed))
        #expect(sample.table.counters.torn <= 1, StickTableSeeds.replay(seed))
        #expect(sample.learn("after", 1) == .stored)
    }

    /// Where the header says that the index is being changed.
    private static let unsettled = 76

    /// Bytes of the index.
    private func index(_ sample: SampleTable) -> Range<Int> {
        128..<(128 + 4 * Int(sample.region.load(24, as: UInt64.self)))
    }

    @Test("the index is kept as it was, unless its writer died while changing it, or successors die one after another")
    func keepsIndex() throws {
        let sample = SampleTable(entries: 40)
        for index in 0..<30 { #expect(sample.learn("k\(index)", UInt64(index)) == .stored) }
        // A word that nobody looks for shows whether the index was made again.
        let mark = try #require(index(sample).first { sample.region.load($0, as: UInt32.self) == 0 && $0 % 4 == 0 })
        func adopt() throws -> Bool {
            sample.region.store(UInt32.max, at: mark)
            sample.table = try StickTable(adopting: sample.region, settings: sample.settings, at: .zero)
            for index in 0..<30 { #expect(sample.lookup("k\(index)")?.server == UInt64(index)) }
            return sample.region.load(mark, as: UInt32.self) != 0
        }
        #expect(try adopt())
        _ = sample.table.expire(at: .zero, examining: 1)
        sample.region.store(UInt32(1), at: Self.unsettled)
        #expect(try !adopt())
        #expect(try adopt())
        #expect(try !adopt(), "the third that did not last")
        _ = sample.table.expire(at: .zero, examining: 1)
        #expect(try adopt())
    }

    @Test("an index that misses a record is made again when that is noticed")
    func mendsIndex() throws {
        let sample = SampleTable(entries: 40)
        for index in 0..<30 { #expect(sample.learn("k\(index)", UInt64(index)) == .stored) }
        sample.table = try StickTable(adopting: sample.region, settings: sample.settings, at: .zero)
        for place in index(sample) { sample.region.store(UInt8(0), at: place) }
        #expect(sample.lookup("k7") == nil)
        #expect(sample.learn("new", 1) == .stored)
        #expect(sample.delete("new"))
        _ = sample.table.expire(at: at(100_000), examining: 1000)
        #expect(sample.table.count == 0)
        #expect(sample.learn("again", 1) == .stored && sample.lookup("again")?.server == 1)
    }

    @Test("random damage never traps, and the table works afterwards", arguments: StickTableSeeds.all(40))
    func damaged(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let sample = SampleTable(entries: 40)
        for index in 0..<40 {
            #expect(sample.learn("k\(index)" + String(repeating: "y", count: index * 7), 1) == .stored)
        }
        for _ in 0..<200 {
            sample.region.store(
                UInt8.random(in: 0...255, using: &random), at: Int.random(in: 128..<sample.region.count, using: &random)
            )
        }
        guard let table = try? StickTable(adopting: sample.region, settings: sample.settings, at: .zero) else {
            Issue.record("an intact header was refused: \(StickTableSeeds.replay(seed))")
            return
        }
        sample.table = table
        for index in 0..<100 { #expect(sample.learn("n\(index)", 2) == .stored, StickTableSeeds.replay(seed)) }
        #expect(sample.lookup("n99")?.server == 2, StickTableSeeds.replay(seed))
        #expect(sample.table.count == 40, StickTableSeeds.replay(seed))
    }
}
