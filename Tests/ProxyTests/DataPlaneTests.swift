// The plain data under the loops: slots, chunks, client IDs, the wheel.

import Linux
import Testing
import Wire

@testable import Proxy

@Suite("The data plane's memory")
struct DataPlaneTests {
    @Test("After a storm, the next messages use the same warm chunk again")
    func warm() throws {
        let pool = ChunkPool(count: 512, size: 4096, region: .allocate(count: (512) * 4096))
        var storm: [UInt32] = []
        while let chunk = pool.allocate() { storm.append(chunk) }
        #expect(Set(storm).count == 512)
        for chunk in storm { pool.release(chunk) }
        let first = take(pool)
        pool.release(first)
        var again: Set<UInt32> = []
        for _ in 0..<1000 {
            let chunk = take(pool)
            again.insert(chunk)
            pool.release(chunk)
        }
        #expect(again == [first])
        // Two directions that take turns do not use up the warm ones either.
        var touched: Set<UInt32> = []
        for _ in 0..<500 {
            let pair = [take(pool), take(pool)]
            touched.formUnion(pair)
            for chunk in pair { pool.release(chunk) }
        }
        #expect(touched.count == 2)
        let used = pool.used
        #expect(used == 0)
    }

    @Test("Strangers leave the last quarter of the chunks to the relays")
    func strangers() throws {
        let pool = ChunkPool(count: 8, size: 4096, region: .allocate(count: (8) * 4096))
        var strangers: [UInt32] = []
        while let chunk = pool.allocateForStranger() { strangers.append(chunk) }
        #expect(strangers.count == 6)
        let rest = [pool.allocate(), pool.allocate(), pool.allocate()]
        #expect(rest == [7, 8, nil])
        pool.release(7)
        let none = pool.allocateForStranger()
        #expect(none == nil)
    }

    /// A chunk; 0 when there is none.
    private func take(_ pool: borrowing ChunkPool) -> UInt32 { pool.allocate() ?? 0 }

    @Test("Client IDs of every length come back whole, and their blocks are reused")
    func keys() throws {
        var store = KeyStore(blocks: 1300, region: .allocate(count: KeyStore.bytes(blocks: 1300)))
        var slots = [Slot](repeating: Slot(), count: 40)
        for round in 0..<3 {
            for index in slots.indices {
                let length = index == 0 ? 65_535 : (index - 1) * 7 + round
                let key = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index &+ round) }
                let isStored = store.store(key.span, in: &slots[index])
                let loaded = store.load(slots[index])
                #expect(isStored && loaded == key, "\(length) bytes")
            }
            for index in slots.indices { store.clear(&slots[index]) }
        }
        // 1,300 blocks: one longest ID takes 1,092 of them, a second does not fit and leaves nothing behind.
        let longest = [UInt8](repeating: 1, count: 65_535)
        var outcomes = [store.store(longest.span, in: &slots[0]), store.store(longest.span, in: &slots[1])]
        #expect(slots[1].keyLength == 0 && slots[1].keyBlock == 0)
        store.clear(&slots[0])
        outcomes.append(store.store(longest.span, in: &slots[1]))
        #expect(outcomes == [true, false, true])
    }

    @Test("A slot given back is given out again under another generation")
    func slots() throws {
        let slots = SlotArena(capacity: 3, region: .allocate(count: SlotArena.bytes(capacity: 3)))
        let all = [slots.allocate(), slots.allocate(), slots.allocate(), slots.allocate()]
        #expect(all == [1, 2, 3, nil])
        slots[2].keepAlive = 7
        let tag = Tag(generation: slots[2].generation, index: 2, isServer: true)
        slots.free(2)
        let used = slots.used
        let again = slots.allocate()
        let (keepAlive, generation) = (slots[2].keepAlive, slots[2].generation)
        #expect(used == 2 && again == 2 && keepAlive == 0)
        #expect(generation != tag.generation)
    }

    @Test("Tags keep their parts")
    func tags() {
        for (generation, index): (UInt32, UInt32) in [(0, 1), (0x3FFF_FFFF, 0x7FFF_FFFF), (5, 70_000)] {
            for isServer in [false, true] {
                let tag = Tag(Tag(generation: generation, index: index, isServer: isServer).rawValue)
                #expect(tag.isSession && tag.generation == generation && tag.index == index)
                #expect(tag.isServer == isServer)
            }
        }
        #expect(!Tag(Tag.bell).isSession)
        #expect(!Tag(UInt64(UInt32(bitPattern: 77))).isSession)
    }

    @Test("Every deadline comes up once, not early and at most two ticks late", arguments: [1, 2, 3, 4] as [UInt64])
    func wheel(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let slots = SlotArena(capacity: 300, region: .allocate(count: SlotArena.bytes(capacity: 300)))
        let start: Int64 = 1_000_000_000_000
        var wheel = TimerWheel(at: Instant(nanoseconds: start))
        var wanted: [UInt32: Int64] = [:]
        for _ in 0..<300 {
            let index = slots.allocate() ?? 0
            // Within and beyond the horizon of 20 s, past ones too.
            wanted[index] = start + Int64.random(in: -1_000_000_000...60_000_000_000, using: &random)
            wheel.arm(index, slots, deadline: wanted[index, default: 0])
        }
        for index: UInt32 in 1...20 {
            wheel.disarm(index, slots)
            wanted[index] = nil
        }
        var now = start
        while now < start + 62_000_000_000 {
            // Mostly short turns, now and then a pause longer than the wheel.
            now += Int64.random(in: 0...10, using: &random) == 0 ? 25_000_000_000 : 7_000_000
            let isQuiet = now < wheel.quietUntil
            while let index = wheel.popDue(slots, at: now) {
                #expect(!isQuiet, "a loop would not have looked")
                let deadline = try #require(wanted[index], "\(index) came twice or after it was disarmed")
                if deadline <= now { wanted[index] = nil } else { wheel.arm(index, slots, deadline: deadline) }
            }
            let late = wanted.values.filter { max($0, start) + 2 * TimerWheel.tick <= now }
            #expect(late.isEmpty)
        }
        #expect(wanted.isEmpty)
    }

    @Test("a transformed direction tells its counts beyond four billion bytes, though it keeps the lower halves of some")
    func packedProgress() {
        for start in [0, 1 << 32 - 3, 5 << 32 + 7, UInt64.max - 200_000] as [UInt64] {
            var flow = EdgeFlow()
            for step in 0..<200 as Range<UInt64> {
                flow.received = start + step * 700
                flow.sent = start / 2 + step * 300
                var progress = EdgeProgress()
                progress.consumed = flow.received - min(step * 3, flow.received)
                progress.received = start / 3 + step * 100
                progress.passed = progress.received - min(step * 7, progress.received)
                progress.produced = flow.sent + step * 11
                progress.readSequence = step
                progress.writeSequence = start
                progress.readGeneration = UInt8(step)
                progress.writeGeneration = 3
                progress.controls = 4
                progress.answered = 5
                progress.asks = 6
                progress.told = 7
                progress.isSealed = step % 2 == 0
                progress.isClosed = step % 3 == 0
                progress.isSecondFrames = step % 5 == 0
                if step % 7 == 0 { progress.ending = .closed }
                flow.packed = PackedProgress(progress)
                // All of them: what an idle session keeps is what was committed.
                #expect("\(flow.progress)" == "\(progress)")
                #expect(flow.pending == Int(min(step * 3, flow.received)) && flow.unsent == Int(step * 11))
                flow.attachInput(1, at: flow.received - min(step, flow.received))
                flow.attachOutput(2, at: flow.sent - min(step, flow.sent))
                #expect(flow.input.base == flow.received - min(step, flow.received) && flow.input.chunk == 1)
                #expect(flow.output.base == flow.sent - min(step, flow.sent) && flow.output.chunk == 2)
            }
        }
        #expect(MemoryLayout<Edge>.stride <= 200)
    }

    @Test("what was committed is true, wherever the process that did it died")
    func commits() {
        let region = MemoryRegion.allocate(count: EdgeArena.bytes(capacity: 4))
        // Where the arena keeps the commit that is on its way.
        let commit = unsafe region.slice(0, count: 128).bind(to: EdgeCommit.self, count: 1)
        var arena = EdgeArena(capacity: 4, region: region)
        let (first, second) = (arena.allocate(for: 7), arena.allocate(for: 8))
        func sequences(_ arena: borrowing EdgeArena) -> [UInt64] {
            [first, second].flatMap { [arena[$0].up.progress.writeSequence, arena[$0].down.progress.writeSequence] }
        }
        var progress = EdgeProgress()
        for (number, (edge, isUp)) in [(first, true), (first, false), (second, true), (second, false)].enumerated() {
            progress.writeSequence = UInt64(number) + 1
            arena.publish(progress, edge, isUp: isUp)
        }
        #expect(sequences(arena) == [1, 2, 3, 4])
        #expect(unsafe commit.pointee.edge == 0)
        // A death before the number stands: nothing was committed.
        progress.writeSequence = 9
        unsafe commit.pointee.isUp = false
        unsafe commit.pointee.packed = PackedProgress(progress)
        arena.beginAdoption()
        #expect(sequences(arena) == [1, 2, 3, 4])
        // Behind that: it was, and a successor moves it, as often as one dies of it.
        for _ in 0..<2 {
            unsafe commit.pointee.edge = second
            arena.beginAdoption()
            #expect(sequences(arena) == [1, 2, 3, 9])
            #expect(unsafe commit.pointee.edge == 0)
        }
        // What makes no sense moves nothing.
        unsafe commit.pointee.edge = 5
        arena.beginAdoption()
        #expect(sequences(arena) == [1, 2, 3, 9])
    }

    @Test("A slot stays small: it is all that an idle session weighs")
    func slot() {
        #expect(MemoryLayout<Slot>.stride <= 384)
    }
}
