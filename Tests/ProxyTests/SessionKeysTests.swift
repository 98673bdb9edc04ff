// New keys beside old ones: what a commit makes true, and what a death before it leaves.

import TLS
import Testing
import Wire

@testable import Proxy

@Suite("The keys of sessions")
struct SessionKeysTests {
    private static func keys(_ number: UInt8, generation: UInt32) -> RecordKeys {
        var keys = RecordKeys()
        keys.generation = generation
        for index in 0..<32 { keys.key[index] = number }
        return keys
    }

    /// Memory with one client's and one server's first keys.
    private static func memory() -> MemoryRegion {
        let region = MemoryRegion.allocate(count: SessionKeys.bytes(capacity: 4))
        let secrets = SessionKeys(capacity: 4, region: region)
        secrets.install(KeyPair(reading: keys(1, generation: 0), writing: keys(2, generation: 0)), 3, client: true)
        secrets.install(KeyPair(reading: keys(3, generation: 0), writing: keys(4, generation: 0)), 3, client: false)
        return region
    }

    /// The first bytes of an edge's four keys: of the client's two directions, and of the server's.
    private static func first(_ secrets: borrowing SessionKeys, _ edge: UInt32) -> [UInt8] {
        [true, false].flatMap {
            [secrets.reading(edge, client: $0).key[0], secrets.writing(edge, client: $0).key[0]]
        }
    }

    private static func holds(_ region: MemoryRegion, _ number: UInt8) -> Bool {
        let key = [UInt8](repeating: number, count: 32)
        return (0...region.count - 32).contains { region.equals(key.span, at: $0) }
    }

    @Test("change when the new generation was committed, and nothing of the old is left", arguments: [true, false])
    func committed(isReading: Bool) {
        let region = Self.memory()
        let secrets = SessionKeys(capacity: 4, region: region)
        secrets.prepare(Self.keys(9, generation: 1), 3, client: true, isReading: isReading)
        let isChanging = secrets.isChanging
        #expect(isChanging)
        // Whoever goes on before the commit reads with the old keys, and writes with the new ones.
        #expect(Self.first(secrets, 3) == [1, isReading ? 2 : 9, 3, 4])
        // A successor does the same with what it finds.
        let successor = SessionKeys(capacity: 4, region: region)
        successor.settle { edge, isClient, reading in
            #expect(edge == 3 && isClient && reading == isReading)
            return 1
        }
        let isStillChanging = secrets.isChanging
        #expect(!isStillChanging)
        #expect(Self.first(secrets, 3) == (isReading ? [9, 2, 3, 4] : [1, 9, 3, 4]))
        #expect(!Self.holds(region, isReading ? 1 : 2))
        let matches = secrets.matches(3, client: true, reading: isReading ? 1 : 0, writing: isReading ? 0 : 1)
        #expect(matches)
    }

    @Test("stay when their change was not committed, or its session is over", arguments: [0, nil] as [UInt8?])
    func forgotten(generation: UInt8?) {
        let region = Self.memory()
        let secrets = SessionKeys(capacity: 4, region: region)
        secrets.prepare(Self.keys(8, generation: 1), 3, client: true, isReading: true)
        secrets.prepare(Self.keys(9, generation: 1), 3, client: false, isReading: false)
        secrets.settle { _, _, _ in generation }
        let isChanging = secrets.isChanging
        #expect(!isChanging)
        #expect(Self.first(secrets, 3) == [1, 2, 3, 4])
        #expect(!Self.holds(region, 8) && !Self.holds(region, 9))
    }

    @Test("are gone with their side, and only with it")
    func wiped() {
        let region = Self.memory()
        let secrets = SessionKeys(capacity: 4, region: region)
        secrets.wipe(3, client: true)
        #expect(!Self.holds(region, 1) && !Self.holds(region, 2))
        #expect(Self.holds(region, 3) && Self.holds(region, 4))
    }

    @Test("of TLS 1.2 have their explicit nonce where TLS 1.3 has its secret")
    func explicitNonce() {
        var keys = RecordKeys()
        keys.explicitBase = 0x0102_0304_0506_0708
        #expect(keys.explicitBase == 0x0102_0304_0506_0708)
        #expect((0..<8).map { keys.secret[$0] } == [1, 2, 3, 4, 5, 6, 7, 8])
    }
}
