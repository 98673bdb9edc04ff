// Source, random of two, first; limits to connections and where their overflow goes.

import Testing
import Wire

@testable import Balancing

@Suite struct AlgorithmTests {
    static func limited(_ number: Int, _ limit: Int?, backup: Bool = false) -> Server.Settings {
        var settings = emqx(number, backup: backup)
        settings.maximumConnections = limit
        return settings
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    // MARK: Source

    @Test func sourceIsStable() throws {
        var backend = try backend(.source, [emqx(1), emqx(2), emqx(3)])
        let client = try address("192.0.2.10")
        let first = try backend.started("x", source: client)
        #expect(first.because == .source)
        for number in 0..<1_000 { #expect(backend.start("c\(number)", source: client) == first) }
        // The same host over a dual-stack socket.
        #expect(backend.start("x", source: try address("::ffff:192.0.2.10")) == first)
        // Without an address: in turn.
        let turns = (0..<3).compactMap { _ in backend.start("x") }
        #expect(turns.allSatisfy { $0.because == .roundRobin } && Set(turns.map(\.server)).count == 3)
    }

    /// The key is the address as text, as `hash $remote_addr consistent` has it: CRCs made with zlib.
    @Test(arguments: [("192.0.2.10", 0x4CBD_1B2E), ("2001:db8::1", 0x00B4_AF0E)] as [(String, UInt32)])
    func sourceIsTheText(_ text: String, _ crc: UInt32) throws {
        var source = try backend(.source, [emqx(1), emqx(2), emqx(3)])
        var hash = try backend(.hash(), [emqx(1), emqx(2), emqx(3)])
        #expect(CRC32.checksum(id(text).span) == crc)
        #expect(source.start("", source: try address(text))?.server == hash.start(text)?.server)
    }

    /// Unlike NGINX's `ip_hash`, where the 256 hosts of a network share one server.
    @Test func sourceSpreadsANetwork() throws {
        var backend = try backend(.source, [emqx(1), emqx(2), emqx(3)])
        for host in 0..<256 { _ = backend.start(source: .v4(IPv4Address(192, 0, 2, UInt8(host)))) }
        #expect(backend.loads.allSatisfy { (50...120).contains($0) }, "\(backend.loads)")
    }

    @Test func aLostServersSourcesMoveAndNoOthers() throws {
        var backend = try checked(.source, [emqx(1), emqx(2), emqx(3)])
        let clients = (0..<3_000).map { IPAddress.v4(IPv4Address(0x0A00_0000 + UInt32($0) * 7)) }
        let before = clients.compactMap { backend.start(source: $0)?.server }
        backend.takeDown(1, at: .zero + .seconds(2))
        let after = clients.compactMap { backend.start(source: $0)?.server }
        #expect(before.count == 3_000 && after.count == 3_000)
        #expect(zip(before, after).allSatisfy { $0 == 1 ? $1 != 1 : $0 == $1 })
    }

    // MARK: Random

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func randomOfTwoIsNearlyEven(_ seed: UInt64) throws {
        let settings = Backend.Settings(algorithm: .random, check: nil, servers: (1...10).map { emqx($0) })
        var backend = try Backend(settings, seed: seed, at: .zero)
        for _ in 0..<10_000 { #expect(try backend.started("").because == .random) }
        // One random choice would differ by about 150; the better of two differs by a handful.
        let spread = (backend.loads.max() ?? 0) - (backend.loads.min() ?? 0)
        #expect(spread <= 20, "\(backend.loads)")
        // And it is a choice at random: not the same order on another seed.
        var other = try Backend(settings, seed: seed + 100, at: .zero)
        var again = try Backend(settings, seed: seed, at: .zero)
        var anew = try Backend(settings, seed: seed, at: .zero)
        let orders = (0..<30).map { _ in (anew.start()?.server, again.start()?.server, other.start()?.server) }
        #expect(orders.allSatisfy { $0.0 == $0.1 })
        #expect(orders.contains { $0.0 != $0.2 })
    }

    @Test func randomOfTwoLooksAtWeights() throws {
        var backend = try backend(.random, [emqx(1, weight: 5), emqx(2, weight: 2), emqx(3, weight: 3)])
        for _ in 0..<10_000 { _ = backend.start() }
        for (load, share) in zip(backend.loads, [5_000, 2_000, 3_000]) {
            #expect(abs(load - share) <= 300, "\(backend.loads)")
        }
        var one = try AlgorithmTests.alone()
        #expect(one.start()?.server == 0)
    }

    private static func alone() throws -> Backend { try backend(.random, [emqx(1)]) }

    // MARK: First

    @Test func firstFillsOneAfterTheOther() throws {
        let servers = [AlgorithmTests.limited(1, 3), AlgorithmTests.limited(2, 2), AlgorithmTests.limited(3, nil)]
        var backend = try checked(.first, servers)
        let order = (0..<7).compactMap { _ in backend.start() }
        #expect(order.map(\.server) == [0, 0, 0, 1, 1, 2, 2])
        #expect(order.allSatisfy { $0.because == .first })
        #expect(backend.servers.map(\.overflows) == [4, 2, 0])
        backend.sessionEnded(on: 1)
        backend.sessionEnded(on: 0)
        #expect((0..<3).compactMap { _ in backend.start()?.server } == [0, 1, 2])
        backend.takeDown(0, at: .zero + .seconds(2))
        backend.sessionEnded(on: 0)
        #expect(backend.start()?.server == 2)
    }

    /// The file's order counts, not the index that a server happens to have.
    @Test func firstFollowsAReload() throws {
        var backend = try backend(.first, [emqx(1), emqx(2)])
        #expect(backend.start()?.server == 0)
        try backend.apply(
            .init(algorithm: .first, check: nil, servers: [emqx(3), emqx(2), emqx(1)]), seed: 1, at: .zero)
        let server = try backend.started("").server
        #expect(backend.servers[server].settings.name == "emqx3")
    }

    // MARK: Limits

    static let all: [Backend.Algorithm] = [
        .roundRobin, .leastConnections, .hash(), .hash(loadPercent: 125), .source, .random, .first,
    ]

    @Test(arguments: all)
    func nobodyGetsMoreThanTheLimit(_ algorithm: Backend.Algorithm) throws {
        var backend = try backend(
            algorithm,
            [
                AlgorithmTests.limited(1, 10), AlgorithmTests.limited(2, 5), AlgorithmTests.limited(3, 3, backup: true),
            ])
        for number in 0..<15 {
            let source = IPAddress.v4(IPv4Address(UInt32(number) &* 2_654_435_761))
            let choice = try backend.started("client-\(number)", source: source)
            #expect(choice.because != .backup)
        }
        #expect(backend.loads == [10, 5, 0])
        for _ in 0..<3 { #expect(backend.start("x", source: .v4(IPv4Address(1)))?.because == .backup) }
        #expect(backend.start("x", source: .v4(IPv4Address(1))) == nil)
        #expect(backend.exhaustions == 1 && backend.loads == [10, 5, 3])
        backend.sessionEnded(on: 1)
        #expect(backend.start("x", source: .v4(IPv4Address(1)))?.server == 1)
    }

    @Test func whatSticksToAFullServerOverflows() throws {
        var backend = try backend(.leastConnections, [AlgorithmTests.limited(1, 2), emqx(2)])
        backend.sessionStarted(on: 0)
        #expect(backend.start("x", stuck: 0)?.because == .stuck)
        let choice = backend.start("x", stuck: 0)
        #expect(choice == Choice(server: 1, because: .leastConnections, reroutedFrom: 0))
        #expect(backend.servers[0].overflows == 1 && backend.reroutes == 1)
        // A reload widens it.
        try backend.apply(
            .init(algorithm: .leastConnections, check: nil, servers: [AlgorithmTests.limited(1, 3), emqx(2)]), seed: 1,
            at: .zero)
        #expect(backend.start("x", stuck: 0)?.because == .stuck)
    }

    @Test func aFullServersKeysGoToTheNextOnTheRing() throws {
        var limited = try backend(.hash(), [AlgorithmTests.limited(1, 1), emqx(2), emqx(3)])
        var down = try checked(.hash(), [emqx(1), emqx(2), emqx(3)])
        down.takeDown(0, at: .zero + .seconds(2))
        #expect(limited.start("device-0001") == Choice(server: 0, because: .hash, reroutedFrom: nil))
        for client in ["device-0001", "device-0002", "mqttx_client1"] {
            let choice = try limited.started(client)
            let other = try down.started(client)
            #expect(choice.because == .fallback && choice == other)
        }
        #expect(limited.servers[0].overflows == 3)
    }
}
