// Two nodes that write, lose their link, lose their memory: their tables are the same once nothing is in flight.

import Balancing
import Replication
import Testing
import Wire

@Suite("Two nodes in a simulation")
struct SimulationTests {
    /// What one node's sessions are, so that only real sessions end.
    private struct Clients {
        var connected: [[String: Int]] = [[:], [:]]
    }

    private func act(_ pair: Pair, _ clients: inout Clients, keys: UInt64) {
        let node = Int(pair.random.next() % 2)
        let key = "client-\(pair.random.next() % keys)"
        let server = pair.random.next() % 4
        let table = pair.nodes[node].table
        switch pair.random.next() % 8 {
        case 0...2:
            table.connect(key, server, at: pair.now)
            clients.connected[node][key, default: 0] += 1
        case 3...4:
            guard let key = clients.connected[node].keys.sorted().randomElement(using: &pair.random) else { return }
            _ = table.disconnect(key, at: pair.now)
            clients.connected[node][key, default: 1] -= 1
            if clients.connected[node][key] == 0 { clients.connected[node][key] = nil }
        case 5...6: table.learn(key, server, at: pair.now)
        default: _ = table.delete(key, at: pair.now)
        }
    }

    @Test("tables are equal once nothing is in flight", arguments: Seeds.all(60))
    func converge(seed: UInt64) {
        let replay = Seeds.replay(seed, "SimulationTests")
        var random = SeededGenerator(seed: seed)
        let shards = [1, 2, 3, 4]
        let rings: [Int?] = [nil, 8, 64]
        let ring = rings[Int(random.next() % 3)]
        func node(_ name: String, _ peer: String, instance: UInt64) -> Node {
            Node(
                name, peer: peer, instance: instance, shards: shards[Int(random.next() % 4)], entries: 500, ring: ring)
        }
        let pair = Pair(node("lb1", "lb2", instance: 1), node("lb2", "lb1", instance: 2), seed: seed)
        pair.chunk = Int(1 + random.next() % 3000)
        var clients = Clients()
        var instance: UInt64 = 10
        for _ in 0..<1500 {
            let dice = random.next() % 400
            if dice == 0 { pair.cut() }
            if dice < 4, !pair.isConnected { pair.connect() }
            if dice == 5 {
                // A node loses its memory and its sessions.
                pair.cut()
                let lost = Int(random.next() % 2)
                instance += 1
                pair.nodes[lost] = node(lost == 0 ? "lb1" : "lb2", lost == 0 ? "lb2" : "lb1", instance: instance)
                clients.connected[lost] = [:]
            }
            for _ in 0..<(random.next() % 4) { act(pair, &clients, keys: 120) }
            pair.step()
        }
        if !pair.isConnected { pair.connect() }
        #expect(pair.settle(), replay)
        #expect(pair.nodes[0].table.contents == pair.nodes[1].table.contents, replay)
        #expect(pair.nodes[0].table.digests == pair.nodes[1].table.digests, replay)
        for index in 0..<2 {
            #expect(pair.nodes[index].session.counters.refusals.isEmpty, replay)
            for (key, count) in clients.connected[index] {
                // A delete may have taken the entry away under its client; nothing else may.
                guard let entry = pair.nodes[index].table.lookup(key, at: pair.now) else { continue }
                #expect(entry.connected <= count, replay)
                #expect(entry.connected == 0 || entry.value.isPresent, replay)
            }
        }
    }

    @Test("a delete stays deleted through a partition and a return", arguments: Seeds.all(10))
    func deletesStay(seed: UInt64) {
        let replay = Seeds.replay(seed, "SimulationTests")
        let pair = Pair(Node("lb1", peer: "lb2"), Node("lb2", peer: "lb1", instance: 2), seed: seed)
        for index in 0..<100 { pair.nodes[0].table.learn("k\(index)", 1, at: pair.now) }
        pair.connect()
        #expect(pair.settle(), replay)
        pair.cut()
        for index in 0..<50 { #expect(pair.nodes[1].table.delete("k\(index)", at: pair.now), replay) }
        pair.nodes[0] = Node("lb1", peer: "lb2", instance: 3)
        pair.connect()
        #expect(pair.settle(), replay)
        for index in 0..<100 {
            for node in pair.nodes {
                #expect((node.table.lookup("k\(index)", at: pair.now) != nil) == (index >= 50), replay)
            }
        }
        #expect(pair.nodes[0].table.contents == pair.nodes[1].table.contents, replay)
    }

    @Test("100,000 entries reach a host that returns empty; what both have does not travel again")
    func returningHost() {
        let pair = Pair(
            Node("lb1", peer: "lb2", shards: 3, entries: 50_000),
            Node("lb2", peer: "lb1", instance: 2, entries: 60_000))
        pair.chunk = 60_000
        for index in 0..<100_000 {
            pair.nodes[0].table.learn("device-\(index)-0123456789", UInt64(index % 3), at: pair.now)
        }
        pair.connect()
        #expect(pair.settle())
        let everything = pair.totals
        #expect(pair.nodes[1].table.contents.count == 100_000)
        #expect(pair.nodes[0].table.digests == pair.nodes[1].table.digests)

        // A short interruption: only the missed updates travel, besides two digests.
        pair.cut()
        for index in 0..<500 { pair.nodes[0].table.learn("device-\(index)-0123456789", 9, at: pair.now) }
        pair.connect()
        #expect(pair.settle())
        let resumed = pair.totals - everything
        #expect(resumed < 500 * 60 + 2 * 9000 + 2000, "\(resumed) bytes")
        #expect(pair.nodes[0].table.digests == pair.nodes[1].table.digests)

        // The other process is new but its table survived: only differing buckets travel.
        pair.cut()
        let before = pair.totals
        let settings = PeerSession.Settings(name: "lb2", instance: 7, peer: "lb1")
        pair.nodes[1].session = PeerSession(settings: settings, tables: [pair.nodes[1].table])
        for index in 0..<5 { pair.nodes[0].table.learn("device-\(index)-0123456789", 8, at: pair.now) }
        pair.connect()
        #expect(pair.settle())
        let differing = pair.totals - before
        #expect(differing < 5 * 2 * 200 * 60 + 2 * 9000 + 2000, "\(differing) bytes")
        #expect(pair.nodes[0].table.contents == pair.nodes[1].table.contents)
        print("100,000 entries: \(everything) bytes; resume with 500: \(resumed); digest with 5: \(differing)")
    }
}
