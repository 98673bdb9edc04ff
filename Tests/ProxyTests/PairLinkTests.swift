// The pair link over loopback: entries cross, cuts heal, strangers stay outside.

import Balancing
import Configuration
import Linux
import Replication
import TLS
import Testing
import Wire

@testable import Proxy

@Suite struct PairLinkTests {
    @Test func whatOneNodeLearnsTheOtherKnows() throws {
        let pair = try PairLinkPair()
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        pair.anton.tables[0].learn("sensor-1", server: 7)
        pair.anton.link?.tablesChanged()
        pair.berta.tables[0].learn("sensor-2", server: 8)
        pair.berta.link?.tablesChanged()
        try pair.run {
            pair.berta.tables[0].server(of: "sensor-1") == 7 && pair.anton.tables[0].server(of: "sensor-2") == 8
        }
        try pair.run { pair.anton.count("lag", "entries") == 0 && pair.berta.count("lag", "entries") == 0 }
        #expect(pair.anton.link?.isInSync == true && pair.berta.link?.isInSync == true)
        #expect(pair.anton.count("sent", "entries") == 1)
        #expect(pair.berta.status["last_error"] == .null)
    }

    @Test func whatWasLearnedApartIsKnownToBothAfterwards() throws {
        let pair = try PairLinkPair()
        for index in 0..<50 { pair.anton.tables[0].learn("a\(index)", server: 1) }
        for index in 0..<60 { pair.berta.tables[0].learn("b\(index)", server: 2) }
        try pair.startBoth()
        #expect(pair.anton.link?.isInSync == false)
        try pair.run { pair.isSynchronised }
        #expect(pair.anton.tables[0].count == 110 && pair.berta.tables[0].count == 110)
    }

    @Test func aLinkGivenUpIsDialledAgain() throws {
        let pair = try PairLinkPair()
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        for round in 1...3 {
            pair.berta.link?.endLink()
            try pair.run { pair.anton.link?.isLinked == false }
            #expect(pair.anton.link?.isInSync == true, "it has held everything once")
            pair.anton.tables[0].learn("meanwhile-\(round)", server: UInt64(round))
            #expect(pair.anton.count("lag", "entries") > 0)
            try pair.run { pair.isSynchronised }
            #expect(pair.berta.tables[0].server(of: "meanwhile-\(round)") == UInt64(round))
        }
        #expect(pair.anton.status["reconnects"]?.integer == 3)
        #expect(pair.anton.status["last_error"]?["reason"]?.string == "closed")
    }

    @Test func aSilentPeerIsGivenUpAndFoundAgain() throws {
        let pair = try PairLinkPair()
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        // Berta hangs: its kernel still takes bytes and connections, nobody answers.
        while pair.anton.link?.isLinked == true || pair.anton.count("failures", "timeout") == 0 {
            pair.anton.tables[0].learn("meanwhile-\(pair.anton.tables[0].count % 900)", server: 1)
            try pair.anton.loop.turn(limit: .milliseconds(1))
            pair.anton.link?.tablesChanged()
        }
        #expect(pair.anton.count("refusals", "silent") == 1)
        #expect(pair.anton.count("lag", "entries") > 0)
        try pair.run { pair.isSynchronised && pair.anton.count("lag", "entries") == 0 }
        #expect(pair.berta.tables[0].count == pair.anton.tables[0].count)
    }

    @Test func aReturningDiallerAndAReturningListenerAreBothFound() throws {
        let pair = try PairLinkPair()
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        for side in [pair.anton, pair.berta] {
            pair.stop(side)
            try pair.run { (side === pair.anton ? pair.berta : pair.anton).link?.isLinked == false }
            side.tables = [PairLinkTable(node: side.node.name)]
            try pair.start(side)
            try pair.run { pair.isSynchronised }
        }
    }

    @Test func anotherSecretIsRefusedAndBothSaySo() throws {
        let pair = try PairLinkPair()
        try pair.start(pair.berta, secret: PairSecret.generate())
        try pair.start(pair.anton)
        try pair.run { pair.anton.count("refusals", "wrong-secret") >= 2 }
        #expect(pair.berta.count("refusals", "wrong-secret") >= 1)
        for side in [pair.anton, pair.berta] {
            #expect(side.link?.isLinked == false)
            #expect(side.status["last_error"]?["reason"]?.string == "wrong-secret")
            #expect(side.status["last_error"]?["text"]?.string?.contains("secret") == true)
        }
        // The right secret arrives, as after a restart with the right file: the link comes up without further ado.
        pair.stop(pair.berta)
        try pair.start(pair.berta)
        try pair.run { pair.isSynchronised }
    }

    @Test func aStrangersAddressIsClosedWithoutAWord() throws {
        let pair = try PairLinkPair()
        try pair.start(pair.berta)
        let stranger = try Socket.connect(
            SocketAddress(pair.berta.node.address, port: pair.port), from: .v4(IPv4Address(127, 0, 0, 1)))
        try pair.run { pair.berta.count("refusals", "unknown-source") == 1 }
        #expect(try Descriptor.read(stranger.number, limit: 10).isEmpty)
    }

    @Test func thePeersAddressWithoutTLSIsRefused() throws {
        let pair = try PairLinkPair()
        try pair.start(pair.berta)
        let socket = try Socket.connect(
            SocketAddress(pair.berta.node.address, port: pair.port), from: pair.anton.node.address)
        try pair.run { Socket.error(socket.number) == 0 && (try? Descriptor.write(socket.number, [1].span)) != nil }
        try Descriptor.writeAll(socket.number, Array("not a client hello at all".utf8))
        try pair.run { pair.berta.count("refusals", "malformed") == 1 }
        // Its place is free again, and the peer itself still gets in.
        try pair.start(pair.anton)
        try pair.run { pair.isLinked }
    }

    @Test func whoSaysNothingIsShutOutAfterTheDeadline() throws {
        let pair = try PairLinkPair()
        try pair.start(pair.berta)
        let address = SocketAddress(pair.berta.node.address, port: pair.port)
        var sockets: [Int32] = []
        defer { sockets.forEach { Descriptor.close($0) } }
        for _ in 0...PairLink.maximumHandshakes {
            sockets.append(try Socket.connect(address, from: pair.anton.node.address).release())
        }
        try pair.run { pair.berta.count("refusals", "crowded") == 1 }
        try pair.run { pair.berta.count("failures", "timeout") == Int64(PairLink.maximumHandshakes) }
        try pair.start(pair.anton)
        try pair.run { pair.isLinked }
    }

    @Test func aNodeAloneCountsAsInSyncAfterAWhile() throws {
        let pair = try PairLinkPair()
        var changes = 0
        try pair.start(pair.anton)
        pair.anton.link?.changed = { changes += 1 }
        let start = Clock.now
        #expect(pair.anton.link?.isInSync == false)
        try pair.run { changes > 0 }
        #expect(Clock.now - start >= PairLink.aloneAfter - .milliseconds(50))
        #expect(pair.anton.link?.isInSync == true)
        #expect(pair.anton.status["synchronised"]?.bool == false)
        #expect(pair.anton.count("failures", "connection") > 1)
    }

    @Test func theNodesTellEachOtherAboutThemselves() throws {
        let pair = try PairLinkPair()
        pair.anton.facts.router = .active
        try pair.startBoth()
        try pair.run { pair.berta.link?.peerFacts?.router == .active }
        pair.anton.facts.isReady = true
        pair.anton.facts.stepDownHold = 30_000
        pair.anton.link?.factsChanged()
        try pair.run { pair.berta.status["peer_facts"]?["ready"]?.bool == true }
        #expect(pair.berta.count("peer_facts", "step_down_hold_ms") == 30_000)
        #expect(pair.berta.status["peer_facts"]?["router"]?.string == "active")
        try pair.run { pair.berta.status["peer_facts"]?["in_sync"]?.bool == true }
    }

    @Test func tablesThatDifferAreReportedAndReplacedAtAReload() throws {
        let other = StickTable.HashKey(9, 9)
        let pair = try PairLinkPair(
            antonTables: [PairLinkTable(node: "anton"), PairLinkTable("other", node: "anton", hashKey: other)],
            bertaTables: [PairLinkTable(node: "berta"), PairLinkTable("other", node: "berta")])
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        #expect(pair.anton.status["unreplicated_tables"]?.array?.count == 1)
        #expect(pair.anton.status["unreplicated_tables"]?.array?.first?["name"]?.string == "other")
        let sent = pair.anton.count("sent", "bytes")

        pair.anton.tables[1] = PairLinkTable("other", node: "anton")
        pair.anton.tables[1].learn("x", server: 3)
        pair.anton.link?.replaceTables(pair.anton.tables)
        try pair.run { pair.isSynchronised && pair.berta.tables[1].server(of: "x") == 3 }
        #expect(pair.anton.status["unreplicated_tables"]?.array?.isEmpty == true)
        #expect(pair.anton.count("sent", "bytes") > sent, "counters go on")
        // The same tables again change nothing.
        pair.anton.link?.replaceTables(pair.anton.tables)
        #expect(pair.isLinked)
    }

    @Test func aHundredThousandEntriesReturnToAnEmptyHost() throws {
        let count = 100_000
        let pair = try PairLinkPair(
            antonTables: [PairLinkTable(node: "anton", entries: count)],
            bertaTables: [PairLinkTable(node: "berta", entries: count)])
        for index in 0..<count { pair.berta.tables[0].learn("device-\(index)", server: UInt64(index % 3)) }
        let begin = Clock.now
        try pair.startBoth()
        try pair.run { pair.isSynchronised }
        let duration = Clock.now - begin
        #expect(pair.anton.tables[0].count == count)
        for index in stride(from: 0, to: count, by: 997) {
            #expect(pair.anton.tables[0].server(of: "device-\(index)") == UInt64(index % 3))
        }
        let bytes = pair.anton.count("received", "bytes")
        print("100,000 entries to an empty host: \(duration.text), \(bytes) bytes of frames")
        // Each entry once: 27 octets and the key (docs/replication.md, 5), and little else.
        #expect(pair.anton.count("received", "entries") == Int64(count))
        #expect(bytes < Int64(count) * (27 + 12) + 100_000)
    }
}
