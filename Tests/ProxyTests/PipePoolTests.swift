// Pipes that outlive their pool: lent, given back, found again.

import Glibc
import Linux
import Testing
import Wire

@testable import Proxy

/// A pool that expectations can name: they copy what they look at, which a pool does not allow.
private final class Held {
    private let pool: PipePool

    init(region: MemoryRegion) { pool = PipePool(region: region) }

    var used: Int { pool.used }
    func allocate() -> UInt8? { pool.allocate() }
    func release(_ number: UInt8) { pool.release(number) }
    func destroy(_ number: UInt8) { pool.destroy(number) }
    func rebuild(inUse: Set<UInt8>) { pool.rebuild(inUse: inUse) }
    func isWhole(_ number: UInt8) -> Bool { pool.isWhole(number) }
    func fill(_ number: UInt8) -> Int? { pool.fill(number) }
    func receive(_ socket: Int32, into number: UInt8, _ count: Int) -> Transfer { pool.receive(socket, into: number, count) }
    func send(_ socket: Int32, from number: UInt8, _ count: Int) -> Transfer { pool.send(socket, from: number, count) }
}

@Suite("Pipes for bulk")
struct PipePoolTests {
    private static func memory() -> MemoryRegion { MemoryRegion.allocate(count: PipePool.bytes) }

    /// A connected pair with so many bytes to be read from its second end.
    private static func pair(holding count: Int) throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        // Sound: the array has room for the two numbers the call writes.
        try check("socketpair") { unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) }
        try Descriptor.writeAll(ends[0], [UInt8](repeating: 7, count: count))
        return (ends[0], ends[1])
    }

    /// Bytes that moved.
    private static func count(_ transfer: Transfer) -> Int? {
        guard case .moved(let count) = transfer else { return nil }
        return count
    }

    @Test("are lent at most so many, and come back")
    func bound() {
        let pool = Held(region: Self.memory())
        let lent = (0..<PipePool.maximum).compactMap { _ in pool.allocate() }
        // A machine may allow its users fewer.
        #expect(Set(lent).count == lent.count && !lent.isEmpty)
        #expect(pool.used == lent.count)
        #expect(pool.allocate() == nil)
        pool.release(lent[0])
        #expect(pool.allocate() == lent[0])
        for number in lent { pool.destroy(number) }
        #expect(pool.used == 0)
        for number in lent { #expect(!pool.isWhole(number)) }
    }

    @Test("in whose making a predecessor died outlive the next program as well")
    func halfMade() throws {
        let memory = Self.memory()
        let before = Held(region: memory)
        let number = try #require(before.allocate())
        let ends = PipePool(region: memory).ends
        try #require(ends.count == 2)
        for end in ends { try Descriptor.setCloseOnExec(end, true) }
        before.release(number)
        let after = Held(region: memory)
        after.rebuild(inUse: [])
        for end in ends { #expect(fcntl(end, F_GETFD) == 0, "its successor has it still") }
        #expect(after.allocate() == number)
        after.destroy(number)
    }

    @Test("are found again with what is in them; what nobody claims is closed, what is empty is kept")
    func adoption() throws {
        let memory = Self.memory()
        let (first, second) = try Self.pair(holding: 1000)
        let before = Held(region: memory)
        let claimed = try #require(before.allocate())
        let forgotten = try #require(before.allocate())
        let empty = try #require(before.allocate())
        #expect(Self.count(before.receive(second, into: claimed, 600)) == 600)
        #expect(Self.count(before.receive(second, into: forgotten, 400)) == 400)
        #expect(Self.count(before.receive(second, into: empty, 400)) == nil)
        before.release(empty)

        let after = Held(region: memory)
        after.rebuild(inUse: [claimed])
        #expect(after.used == 1)
        #expect(after.isWhole(claimed) && after.fill(claimed) == 600)
        #expect(!after.isWhole(forgotten))
        #expect(after.isWhole(empty))
        #expect(after.allocate() == empty)
        #expect(Self.count(after.send(second, from: claimed, 600)) == 600)
        #expect(try Descriptor.read(first, limit: 1000) == [UInt8](repeating: 7, count: 600))
        after.destroy(claimed)
        after.destroy(empty)
        Descriptor.close(first)
        Descriptor.close(second)
    }

    @Test("whose numbers are somebody else's by now are not touched")
    func strangers() throws {
        let memory = Self.memory()
        let before = Held(region: memory)
        let number = try #require(before.allocate())
        let record = memory.load(Int(number) * 16 + 8, as: Int32.self)
        before.release(number)
        // As if the pipe had been closed, and its number given away.
        let (first, second) = try Self.pair(holding: 1)
        #expect(dup2(second, record) == record)
        let after = Held(region: memory)
        after.rebuild(inUse: [])
        #expect(!after.isWhole(number))
        #expect(try Descriptor.read(record, limit: 10) == [7])
        for each in [first, second, record] { Descriptor.close(each) }
    }
}
