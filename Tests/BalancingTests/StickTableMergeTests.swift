// The laws of merging: the same entries in any order, any number of times, make the same table.

import Balancing
import Testing
import Wire

@Suite("Merging stick tables")
struct StickTableMergeTests {
    /// Random values for few keys, so that they meet.
    private func values(_ random: inout SeededGenerator, count: Int) -> [(String, StickTableValue)] {
        (0..<count).map { _ in
            (
                "k\(random.next() % 6)",
                remote(
                    random.next() % 5, node: UInt32(2 + random.next() % 3), server: random.next() % 3,
                    tombstone: random.next() % 4 == 0, present: random.next() % 3 == 0)
            )
        }
    }

    private func table(merging values: [(String, StickTableValue)]) -> (contents: [String: StickTableValue], [UInt64]) {
        let sample = SampleTable()
        for (key, value) in values { _ = sample.merge(key, value) }
        return (sample.contents(), sample.table.digests)
    }

    @Test("order and repetition do not matter", arguments: StickTableSeeds.all(200))
    func laws(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let some = values(&random, count: 12)
        let expected = table(merging: some)
        let shuffled = table(merging: some.shuffled(using: &random))
        let repeated = table(merging: some + some.shuffled(using: &random))
        #expect(shuffled.contents == expected.contents, StickTableSeeds.replay(seed))
        #expect(repeated.contents == expected.contents, StickTableSeeds.replay(seed))
        #expect(shuffled.1 == expected.1 && repeated.1 == expected.1, StickTableSeeds.replay(seed))
    }

    @Test("merging merged tables is merging all their entries", arguments: StickTableSeeds.all(100))
    func associative(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let (a, b, c) = (values(&random, count: 6), values(&random, count: 6), values(&random, count: 6))
        let ab = table(merging: a + b).contents.map { ($0.key, $0.value) }
        let bc = table(merging: b + c).contents.map { ($0.key, $0.value) }
        #expect(table(merging: ab + c).contents == table(merging: a + bc).contents, StickTableSeeds.replay(seed))
    }

    @Test("a delete wins by its version, and a later write wins over it")
    func deletes() {
        let sample = SampleTable()
        #expect(sample.merge("a", remote(5, server: 9)) == .applied)
        #expect(sample.merge("a", remote(6, tombstone: true)) == .applied)
        #expect(sample.merge("a", remote(5, server: 9)) == .ignored)
        #expect(sample.lookup("a") == nil)
        #expect(sample.learn("a", 3) == .stored)
        #expect(sample.lookup("a")?.value.version == StickTableVersion(counter: 7, node: 1))
        #expect(sample.merge("a", remote(6, tombstone: true)) == .ignored)
    }

    @Test("a merge is not a change to be sent back")
    func noEcho() {
        let sample = SampleTable()
        #expect(sample.learn("a", 1) == .stored)
        #expect(sample.merge("a", remote(9)) == .applied)
        var visited = 0
        let result = sample.table.changes(after: 0, examining: 10) { _ in
            visited += 1
            return true
        }
        #expect(result == .upTo(1))
        #expect(visited == 0)
    }

    @Test("a client connected here is present whatever the peer says, and on the peer's server")
    func denied() {
        let sample = SampleTable()
        #expect(sample.connect("a", 1) == .stored)
        #expect(sample.merge("a", remote(9, server: 4)) == .reasserted)
        let value = sample.lookup("a")?.value
        #expect(
            value
                == StickTableValue(
                    version: StickTableVersion(counter: 10, node: 1), isTombstone: false, isPresent: true, server: 4))
        #expect(sample.merge("a", remote(11, server: 4, present: true)) == .applied)
    }

    @Test("a node that lost its memory denies that a client is connected to it")
    func claimed() {
        let sample = SampleTable()
        #expect(sample.merge("a", remote(9, node: 1, present: true)) == .reasserted)
        #expect(sample.lookup("a")?.value.isPresent == false)
        #expect(sample.lookup("a")?.value.version.counter == 10)
    }

    @Test("a full table takes a remote entry only for an older one")
    func full() {
        let sample = SampleTable(entries: 2)
        #expect(sample.merge("a", remote(5)) == .applied)
        #expect(sample.merge("b", remote(6)) == .applied)
        #expect(sample.merge("c", remote(4)) == .refused)
        #expect(sample.merge("d", remote(7)) == .applied)
        #expect(sample.lookup("a") == nil)
        #expect(sample.table.count == 2)
        #expect(sample.table.counters.mergesRefused == 1)
    }

    @Test("remaining time is granted up to the table's own")
    func remaining() {
        let sample = SampleTable(expire: .seconds(10))
        #expect(sample.merge("a", remote(1), remaining: .seconds(5)) == .applied)
        #expect(sample.merge("b", remote(2), remaining: .seconds(5000)) == .applied)
        #expect(sample.lookup("a")?.expires == at(5))
        #expect(sample.lookup("b")?.expires == at(10))
    }
}
