// Source addresses: in turn, by share as NGINX cuts it, passed over when full, warned about before.

import Testing
import Wire

@testable import Balancing

@Suite("Sources")
struct SourcePoolTests {
    private static func address(_ last: UInt8) -> IPAddress { .v4(IPv4Address(10, 0, 0, last)) }

    private static func pool(_ sources: [SourcePool.Settings], ports: Int = 100) -> SourcePool {
        SourcePool(sources, ports: ports)
    }

    @Test("without sources the kernel chooses")
    func none() {
        var pool = Self.pool([])
        let index = pool.choose(server: 0, family: .ipv6, hash: 0)
        #expect(index == 0)
        #expect(pool.address(0) == nil)
        #expect(!pool.hasSeveral)
        pool.ended(0, server: 0)
    }

    @Test("two in turn")
    func turns() {
        var pool = Self.pool([.init(address: Self.address(1)), .init(address: Self.address(2))])
        let chosen = (0..<4).compactMap { _ in pool.choose(server: 0, family: .ipv4, hash: 0) }
        #expect(chosen == [0, 1, 0, 1])
    }

    @Test("NGINX's own split: 20 20 20 20 and the rest")
    func split() throws {
        let golden = Murmur2.hash(id("192.0.2.1040000").span)
        #expect(golden == 0x8FA6_0B88)
        var pool = Self.pool(
            (1...4).map { .init(address: Self.address($0), share: 2000) } + [.init(address: Self.address(5))])
        // The document's fifths: the hash above lies in the third.
        let third = pool.choose(server: 0, family: .ipv4, hash: 0x8FA6_0B88)
        #expect(third == 2)
        var counts = [Int](repeating: 0, count: 5)
        var wide = Self.pool(
            (1...4).map { .init(address: Self.address($0), share: 2000) } + [.init(address: Self.address(5))],
            ports: 1_000_000)
        // One point of a hundred is eight standard deviations of a fair draw among so many.
        for number in 0..<100_000 {
            let text = "192.\(number / 62_500).\(number / 250 % 250).\(number % 250)\(30_000 + number % 30_000)"
            let index = wide.choose(server: 0, family: .ipv4, hash: Murmur2.hash(id(text).span))
            counts[try #require(index)] += 1
        }
        for count in counts { #expect((19_000...21_000).contains(count), "\(counts)") }
    }

    @Test("a full source is passed over, and warned about before it is full")
    func full() {
        var pool = Self.pool([.init(address: Self.address(1)), .init(address: Self.address(2))], ports: 10)
        var chosen: [Int] = []
        for _ in 0..<14 { if let index = pool.choose(server: 0, family: .ipv4, hash: 0) { chosen.append(index) } }
        #expect(!pool.hasShortages)
        for _ in 14..<20 { if let index = pool.choose(server: 0, family: .ipv4, hash: 0) { chosen.append(index) } }
        #expect(chosen.filter { $0 == 0 }.count == 10)
        #expect(chosen.filter { $0 == 1 }.count == 10)
        let shortages = pool.fetchShortages()
        #expect(shortages.map(\.address) == [Self.address(1), Self.address(2)])
        #expect(shortages.map(\.used) == [8, 8])
        #expect(!pool.hasShortages)
        // Another server has all its ports left.
        let other = pool.choose(server: 1, family: .ipv4, hash: 0)
        #expect(other != nil)
        // Told again only after it was calm.
        for _ in 0..<4 { pool.ended(0, server: 0) }
        for _ in 0..<4 { _ = pool.choose(server: 0, family: .ipv4, hash: 0) }
        let again = pool.fetchShortages()
        #expect(again.map(\.address) == [Self.address(1)])
    }

    @Test("the kernel's word: the next source, and none at the end")
    func exhausted() {
        var pool = Self.pool([.init(address: Self.address(1)), .init(address: Self.address(2))])
        let first = pool.choose(server: 0, family: .ipv4, hash: 0)
        #expect(first == 0)
        pool.exhausted(0, server: 0)
        let second = pool.choose(server: 0, family: .ipv4, hash: 0, tried: 1)
        #expect(second == 1)
        let third = pool.choose(server: 0, family: .ipv4, hash: 0, tried: 3)
        #expect(third == nil)
        #expect(pool.exhaustions == 1)
    }

    @Test("a source of the other family is no source")
    func family() {
        var pool = Self.pool([.init(address: Self.address(1))])
        let chosen = pool.choose(server: 0, family: .ipv6, hash: 0)
        #expect(chosen == nil)
    }

    @Test("a reload keeps the indices of sessions that live")
    func reload() throws {
        var pool = Self.pool([.init(address: Self.address(1)), .init(address: Self.address(2))])
        let old = pool.choose(server: 0, family: .ipv4, hash: 0)
        #expect(old == 0)
        let isApplied = pool.apply([.init(address: Self.address(3))], ports: 100)
        #expect(isApplied)
        let chosen = pool.choose(server: 0, family: .ipv4, hash: 0)
        let new = try #require(chosen)
        #expect(pool.address(new) == Self.address(3))
        #expect(new != 0)
        #expect(pool.address(0) == Self.address(1))
        pool.ended(0, server: 0)
        let isTooMany = !pool.apply((0..<65).map { .init(address: Self.address($0)) }, ports: 100)
        #expect(isTooMany)
        #expect(pool.listing.map(\.settings.address) == [Self.address(3)])
    }
}
