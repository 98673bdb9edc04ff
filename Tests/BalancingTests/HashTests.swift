// Consistent hashing: NGINX's own vectors, agreement of two hosts, minimal movement, bounded load.

import Testing
import Wire

@testable import Balancing

@Suite struct HashTests {
    /// Made by NGINX itself (`hash $mqtt_preread_clientid consistent`, servers emqx1..3-cluster.emqx.io:1883).
    static let vectors: [(client: String, crc: UInt32, server: Int)] = [
        ("mqttx_client1", 0x8a16_64bb, 1), ("subscriber1", 0xb71f_3610, 3), ("device-0001", 0x71b7_9271, 1),
        ("device-0002", 0xe8be_c3cb, 1), ("device-0003", 0x9fb9_f35d, 3),
        (String(repeating: "a", count: 64), 0x89b4_6555, 1), ("état", 0x2082_1cd6, 2),
    ]

    static let clients = (0..<20_000).map { "client-\($0)" }

    @Test(arguments: vectors)
    func golden(_ vector: (client: String, crc: UInt32, server: Int)) throws {
        #expect(CRC32.checksum(id(vector.client).span) == vector.crc)
        var backend = try backend(.hash(), [emqx(1), emqx(2), emqx(3)])
        let choice = try backend.started(vector.client)
        #expect(choice == Choice(server: vector.server - 1, because: .hash, reroutedFrom: nil))
    }

    @Test func points() {
        let ring = HashRing(
            (1...3).map {
                HashRing.Member(index: $0, name: "", host: "emqx\($0)-cluster.emqx.io", port: 1883, weight: 1)
            })
        #expect(ring.count == 480)
    }

    @Test func twoHostsAgreeWhateverTheOrder() throws {
        let servers = [emqx(1, weight: 3), emqx(2, weight: 2), emqx(3), emqx(4)]
        var here = try checked(.hash(), servers)
        var there = try checked(.hash(), Array(servers.reversed()))
        // Another history: sessions, and a server that was gone for a while.
        for client in HashTests.clients.prefix(100) { _ = there.start(client) }
        here.takeDown(1, at: .zero + .seconds(2))
        there.takeDown(2, at: .zero + .seconds(3))
        for client in HashTests.clients.prefix(2_000) {
            let a = try here.started(client)
            let b = try there.started(client)
            #expect(here.servers[a.server].settings.name == there.servers[b.server].settings.name)
            #expect(a.because == b.because)
        }
    }

    @Test func twoServersAtOneAddressAgreeToo() throws {
        let twins = ["a", "b"].map { Server.Settings(name: $0, host: "10.0.0.1", port: 1883) }
        var here = try checked(.hash(), twins)
        var there = try checked(.hash(), Array(twins.reversed()))
        #expect(here.start("x").map { here.servers[$0.server].settings.name } == "a")
        #expect(there.start("x").map { there.servers[$0.server].settings.name } == "a")
        here.takeDown(0, at: .zero + .seconds(2))
        #expect(here.start("x") == Choice(server: 1, because: .fallback, reroutedFrom: nil))
    }

    @Test func onlyTheKeysOfALostServerMove() throws {
        var backend = try checked(.hash(), [emqx(1), emqx(2), emqx(3)])
        let before = HashTests.clients.compactMap { backend.choose(key: id($0).span) }
        #expect(before.count == HashTests.clients.count)
        for server in 0..<3 {
            let share = before.filter { $0.server == server }.count
            #expect((6_000...7_400).contains(share), "server \(server) has \(share)")
        }
        backend.takeDown(2, at: .zero + .seconds(2))
        for (client, old) in zip(HashTests.clients, before) {
            let new = try backend.chosen(client)
            if old.server == 2 {
                #expect(new.server != 2 && new.because == .fallback)
            } else {
                #expect(new == old)
            }
        }
        // Taken out of the file, its keys go where they went when it was down.
        let settings = Backend.Settings(algorithm: .hash(), check: CheckSettings(), servers: [emqx(1), emqx(2)])
        var without = backend
        try without.apply(settings, seed: 1, at: .zero + .seconds(3))
        for client in HashTests.clients.prefix(2_000) {
            #expect(without.choose(key: id(client).span)?.server == backend.choose(key: id(client).span)?.server)
        }
    }

    @Test func weightMovesKeysOnlyToWhoGains() throws {
        var backend = try backend(.hash(), [emqx(1), emqx(2), emqx(3)])
        let before = HashTests.clients.compactMap { backend.choose(key: id($0).span)?.server }
        backend.setWeight(3, server: 1)
        let after = HashTests.clients.compactMap { backend.choose(key: id($0).span)?.server }
        var moved = 0
        for (old, new) in zip(before, after) where old != new {
            #expect(new == 1)
            moved += 1
        }
        // From a third to three fifths of the keys.
        #expect((4_300...6_300).contains(moved), "\(moved) moved")
    }

    @Test func emptyKeysTakeTurns() throws {
        var backend = try backend(.hash(), [emqx(1), emqx(2), emqx(3)])
        let choices = (0..<3).compactMap { _ in backend.start("") }
        #expect(choices.map(\.server) == [0, 1, 2])
        #expect(choices.allSatisfy { $0.because == .roundRobin })
    }

    @Test func boundedLoadHoldsAndSaysSo() throws {
        var backend = try backend(.hash(loadPercent: 125), [emqx(1), emqx(2), emqx(3)])
        for number in 1...3_000 {
            // All of them belong to the same server.
            let choice = try backend.started("device-0001")
            #expect(choice.because == (choice.server == 0 ? .hash : .fallback))
            let bound = (125 * number + 299) / 300
            #expect(backend.loads.allSatisfy { $0 <= bound }, "\(backend.loads) after \(number)")
        }
        #expect(backend.loads[0] == 1_250)
    }

    @Test func aRingIsBounded() {
        let members = (0..<200).map {
            HashRing.Member(index: $0, name: "s\($0)", host: "10.0.0.\($0)", port: 1883, weight: 256)
        }
        let ring = HashRing(members, maximumPoints: 2 * 51_200)
        #expect(ring.count <= 2 * 51_200)
        #expect(ring.count > 102_000)
    }
}
