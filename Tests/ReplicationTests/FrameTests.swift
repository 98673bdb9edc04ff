// Bytes from the peer: unknown frames are skipped, malformed ones close the link, none traps.

import Balancing
import Testing
import Wire

@testable import Replication

@Suite("Frames from the peer")
struct FrameTests {
    /// A session whose peer has said hello, and the bytes that peer sends next.
    private func greeted() -> PeerSession {
        let node = Node("lb1", peer: "lb2")
        _ = node.session.handle(.connected, at: .zero)
        let actions = feed(&node.session, hello())
        #expect(actions.first == .up(peer: "lb2"))
        return node.session
    }

    private func hello() -> [UInt8] {
        let table = Hello.Table(name: "sessions", keyCheck: MemoryTable.key.check, expire: 1, entries: 1, counter: 5)
        let hello = Hello(heartbeat: 100, node: 99, instance: 4, name: "lb2", tables: [table])
        var bytes: [UInt8] = []
        bytes.appendFrame(FrameType.hello) { hello.append(to: &$0) }
        return bytes
    }

    private func feed(_ session: inout PeerSession, _ bytes: [UInt8]) -> [PeerAction] {
        let span = bytes.span
        return session.receive(span, at: .zero)
    }

    @Test("a hello reads back as written, and its bytes are as specified")
    func helloBytes() throws {
        let hello = Hello(heartbeat: 100, node: 0x0102_0304, instance: 5, name: "a", tables: [])
        var body: [UInt8] = []
        hello.append(to: &body)
        let expected: [UInt8] = [
            0x55, 0x53, 0x54, 0x52,  // magic
            0, 1,  // protocol
            0, 100,  // heartbeat
            1, 2, 3, 4,  // node
            0, 0, 0, 0, 0, 0, 0, 5,  // instance
            1, 0x61,  // name
            0,  // tables
        ]
        #expect(body == expected)
        let span = body.span
        let parsed = try Hello.parse(span)
        #expect(parsed == hello)
    }

    @Test("a frame of an unknown type, and fields behind the known ones, are skipped")
    func unknown() {
        var session = greeted()
        #expect(feed(&session, [200, 0, 0, 3, 1, 2, 3]).isEmpty)
        #expect(session.counters.unknownFrames == 1)
        #expect(feed(&session, [4, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 77]).isEmpty)
        #expect(feed(&session, [2, 0, 0, 5, 99, 3, 1, 2, 3]).count == 1)
        #expect(session.peerFacts == NodeFacts())
        // A router with an address of an unknown family, and more routers than are kept.
        let odd: [UInt8] = [5, 5, 1, 100, 1, 9, 97]
        let usual: [UInt8] = [5, 8, 1, 100, 4, 10, 0, 0, 1, 97]
        let many = odd + (0..<20).flatMap { _ in usual }
        let length = [UInt8(many.count >> 8), UInt8(many.count & 0xFF)]
        #expect(feed(&session, [2, 0] + length + many).count == 1)
        #expect(session.peerFacts?.routers.count == RouterReport.maximum)
        #expect(session.peerFacts?.routers.first?.name == "a")
    }

    @Test(
        "what breaks a rule closes the link with that rule",
        arguments: [
            ([3, 1, 0, 129], .frameTooLong(65_665)),
            ([1, 0, 0, 0], .secondHello),
            ([4, 0, 0, 2, 0, 0], .short(type: 4)),
            ([4, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], .acknowledgement(1)),
            ([3, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0], .sequence(expected: 1, got: 2)),
            ([3, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0], .unknownTable(9)),
            ([3, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], .emptyKey),
            ([3, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 9], .short(type: 3)),
            ([2, 0, 0, 3, 4, 1, 0], .short(type: 2)),
            ([2, 0, 0, 5, 5, 3, 1, 100, 4], .short(type: 2)),
            ([2, 0, 0, 4, 6, 2, 0, 0], .short(type: 2)),
            ([6, 0, 0, 4, 0, 0, 1, 0], .buckets(256)),
        ] as [([UInt8], PeerRefusal.Malformation)])
    func malformed(bytes: [UInt8], reason: PeerRefusal.Malformation) {
        var session = greeted()
        #expect(feed(&session, bytes) == [.close(.malformed(reason))])
        #expect(session.counters.refusals == ["malformed": 1])
        #expect(feed(&session, hello()).isEmpty)
    }

    @Test("before hello only hello, of our version")
    func beforeHello() {
        var session = Node("lb1", peer: "lb2").session
        _ = session.handle(.connected, at: .zero)
        #expect(feed(&session, [5, 0, 0, 0]) == [.close(.malformed(.messageBeforeHello(5)))])
        _ = session.handle(.disconnected, at: .zero)
        _ = session.handle(.connected, at: .zero)
        var other = hello()
        other[9] = 2
        #expect(feed(&session, other) == [.close(.otherVersion(2))])
    }

    @Test("random and damaged bytes in any chunking never trap", arguments: Seeds.all(300))
    func fuzz(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pair = Pair(Node("lb1", peer: "lb2"), Node("lb2", peer: "lb1", instance: 2), seed: seed)
        for index in 0..<50 { pair.nodes[1].table.learn("k\(index)", 1, at: .zero) }
        _ = pair.nodes[1].session.handle(.connected, at: .zero)
        let greeting = hello()
        // A real stream of the other node, damaged in a few places, then noise.
        var bytes: [UInt8] = []
        if let text = helloFor("lb2") { _ = feed(&pair.nodes[1].session, text) }
        while pair.nodes[1].session.nextFrame(into: &bytes, at: .zero) {}
        if random.next() % 2 == 0 { bytes = greeting }
        for _ in 0..<50 {
            let type = UInt8(random.next() % 10)
            let length = Int(random.next() % 60)
            bytes += [type, 0, 0, UInt8(length)]
            for _ in 0..<length { bytes.append(UInt8(truncatingIfNeeded: random.next() % 4)) }
        }
        for _ in 0..<(random.next() % 4) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
        }
        var session = pair.nodes[0].session
        _ = session.handle(.connected, at: .zero)
        var offset = 0
        var out: [UInt8] = []
        while offset < bytes.count {
            let end = min(bytes.count, offset + Int.random(in: 1...40, using: &random))
            let actions = feed(&session, Array(bytes[offset..<end]))
            while session.nextFrame(into: &out, at: .zero) {}
            if case .close = actions.last { break }
            offset = end
        }
        let total = session.counters.bytesReceived
        #expect(total > 0 && total <= UInt64(bytes.count), Seeds.replay(seed, "FrameTests"))
        #expect(pair.nodes[0].table.contents.count <= 4000, Seeds.replay(seed, "FrameTests"))
    }

    /// The hello that `lb1` says to the named node.
    private func helloFor(_ peer: String) -> [UInt8]? {
        var session = Node("lb1", peer: peer).session
        _ = session.handle(.connected, at: .zero)
        var bytes: [UInt8] = []
        return session.nextFrame(into: &bytes, at: .zero) ? bytes : nil
    }
}
