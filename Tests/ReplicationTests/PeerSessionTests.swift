// Dialogues of a peer session: hello, heartbeats, updates, overrun, repair, refusals.

import Balancing
import Testing
import Wire

@testable import Replication

@Suite("A peer session")
struct PeerSessionTests {
    private func pair() -> Pair {
        Pair(Node("lb1", peer: "lb2", shards: 1), Node("lb2", peer: "lb1", instance: 2, shards: 3))
    }

    @Test("comes up, gets in sync, says what the other said about itself")
    func up() {
        let pair = pair()
        var facts = NodeFacts()
        facts.router = .active
        facts.isReady = true
        facts.stepDownHold = 600_000
        facts.reportNumber = 1 << 40
        facts.reportAge = 1500
        facts.routers = [
            RouterReport(
                name: "mqtt", isActive: true, isWilling: false, priority: 150,
                address: .v4(IPv4Address(10, 0, 0, 11))),
            RouterReport(
                name: "über", isActive: false, isWilling: true, priority: 1,
                address: .v6(IPv6Address(high: 0xFE80 << 48, low: 1))),
        ]
        #expect(pair.nodes[0].session.handle(.facts(facts), at: pair.now).isEmpty)
        #expect(pair.nodes[0].session.nextDeadline == nil)
        pair.connect()
        #expect(pair.settle())
        #expect(pair.nodes[0].actions.first == .up(peer: "lb2"))
        #expect(pair.nodes[0].actions.contains(.inSync(true)))
        for _ in 0..<10 { pair.step() }
        facts.isInSync = true
        #expect(pair.nodes[1].session.peerFacts == facts)
        pair.cut()
        #expect(pair.nodes[0].actions.suffix(2) == [.inSync(false), .down])
        #expect(pair.nodes[1].session.peerFacts == nil)
    }

    @Test("an update is at the other host within two delays and is acknowledged")
    func update() {
        let pair = pair()
        pair.connect()
        #expect(pair.settle())
        pair.nodes[0].table.learn("a", 5, at: pair.now)
        #expect(pair.nodes[0].session.lag(at: pair.now).updates == 1)
        for _ in 0..<6 { pair.step() }
        #expect(pair.nodes[1].table.lookup("a", at: pair.now)?.server == 5)
        #expect(pair.nodes[0].session.lag(at: pair.now).updates == 0)
        #expect(pair.nodes[1].session.counters.entriesSent == 0)
    }

    @Test("a client connected at one host is held at the other until the link is down")
    func held() {
        let pair = pair()
        pair.connect()
        #expect(pair.settle())
        pair.nodes[0].table.connect("a", 5, at: pair.now)
        #expect(pair.settle())
        #expect(pair.nodes[1].table.lookup("a", at: pair.now)?.expires == .distantFuture)
        pair.cut()
        #expect(pair.nodes[1].table.lookup("a", at: pair.now)?.expires == pair.now + .seconds(600))
    }

    @Test("silence closes the link; so does a peer that never says hello")
    func silence() {
        let pair = pair()
        pair.connect()
        #expect(pair.settle())
        let heard = pair.now
        var closed: [PeerAction] = []
        while closed.isEmpty, let deadline = pair.nodes[0].session.nextDeadline, deadline < heard + .seconds(9) {
            closed = pair.nodes[0].session.handle(.timer, at: deadline)
        }
        #expect(closed == [.close(.silent)])
        #expect(pair.nodes[0].session.nextDeadline == nil)
        var out: [UInt8] = []
        #expect(!pair.nodes[0].session.nextFrame(into: &out, at: heard))

        var lone = Node("lb1", peer: "lb2").session
        #expect(lone.handle(.connected, at: .zero).isEmpty)
        #expect(lone.nextDeadline == .zero + .seconds(5))
        #expect(lone.handle(.timer, at: .zero + .seconds(5)) == [.close(.helloTimeout)])
        #expect(lone.counters.refusals == ["hello-timeout": 1])
    }

    @Test("the node itself and a stranger are refused")
    func wrongPeers() {
        let same = Pair(Node("lb1", peer: "lb1"), Node("lb1", peer: "lb1", instance: 2))
        same.connect()
        for _ in 0..<10 { same.step() }
        #expect(same.nodes[0].actions.contains(.close(.sameNode)))
        let stranger = Pair(Node("lb1", peer: "lb2"), Node("lb3", peer: "lb1", instance: 2))
        stranger.connect()
        for _ in 0..<10 { stranger.step() }
        #expect(stranger.nodes[0].actions.contains(.close(.otherPeer("lb3"))))
    }

    @Test("a table with another key or at one host only is reported, and nothing of it travels")
    func differentTables() {
        let pair = pair()
        let key = StickTable.HashKey(5, 5)
        let odd = MemoryTable(node: PeerSession.identity(of: "lb2"), shards: 1, entries: 10, key: key)
        let more = MemoryTable(name: "more", node: PeerSession.identity(of: "lb2"), shards: 1, entries: 10)
        pair.nodes[1].session = PeerSession(
            settings: PeerSession.Settings(name: "lb2", instance: 2, peer: "lb1"), tables: [more, odd])
        odd.learn("a", 1, at: .zero)
        pair.connect()
        #expect(pair.settle())
        #expect(pair.nodes[0].actions.contains(.tableRefused(name: "sessions", reason: .otherKey)))
        #expect(pair.nodes[0].actions.contains(.tableRefused(name: "more", reason: .notHere)))
        #expect(pair.nodes[1].actions.contains(.tableRefused(name: "more", reason: .notAtPeer)))
        #expect(pair.nodes[0].session.counters.entriesReceived == 0)
    }

    @Test("more changes than the ring remembers are repaired by digest")
    func overrun() {
        let pair = Pair(Node("lb1", peer: "lb2", ring: 4), Node("lb2", peer: "lb1", instance: 2))
        pair.connect()
        #expect(pair.settle())
        for index in 0..<100 { pair.nodes[0].table.learn("k\(index)", 1, at: pair.now) }
        for _ in 0..<10 { pair.step() }
        #expect(pair.settle())
        #expect(pair.nodes[0].session.counters.overruns > 0)
        #expect(pair.nodes[0].table.contents == pair.nodes[1].table.contents)
    }

    @Test("what differs silently is found and repaired by anti-entropy, and counted")
    func antiEntropy() {
        let pair = pair()
        pair.connect()
        #expect(pair.settle())
        // A merged entry is not sent: as if an update had been lost.
        pair.nodes[0].table.with("lost") { table, key, hash in
            let version = StickTableVersion(counter: 9, node: 77)
            let value = StickTableValue(version: version, isTombstone: false, isPresent: false, server: 3)
            table.merge(key, hash: hash, value, remaining: .seconds(600), at: .zero)
        }
        #expect(pair.nodes[1].table.lookup("lost", at: pair.now) == nil)
        for _ in 0..<31_000 { pair.step() }
        #expect(pair.nodes[1].table.lookup("lost", at: pair.now)?.server == 3)
        #expect(pair.nodes[1].session.counters.entriesRepaired == 1)
        #expect(pair.nodes[1].session.isInSync)
    }

    @Test("a peer that acknowledges nothing gets at most a window of frames")
    func window() {
        let pair = pair()
        pair.connect()
        #expect(pair.settle())
        var frames = 0
        var out: [UInt8] = []
        for index in 0..<1000 {
            pair.nodes[0].table.learn("k\(index)", 1, at: pair.now)
            while pair.nodes[0].session.nextFrame(into: &out, at: pair.now) { frames += 1 }
        }
        #expect(frames == LinkLimit.window)
        #expect(pair.nodes[0].session.lag(at: pair.now).updates == 1000)
    }

    @Test("keys of every length travel whole", arguments: [1, 64, 65, 16_384, 65_535])
    func longKeys(length: Int) {
        let pair = pair()
        pair.connect()
        let key = String(repeating: "k", count: length)
        pair.nodes[0].table.learn(key, 6, at: pair.now)
        #expect(pair.settle())
        #expect(pair.nodes[1].table.lookup(key, at: pair.now)?.server == 6)
    }
}
