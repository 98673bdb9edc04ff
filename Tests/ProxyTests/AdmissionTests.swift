// Who is let in, how the others are told, and where they are counted: over real sockets.

import Balancing
import Configuration
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A client that is not let in")
struct AdmissionTests {
    /// What each refusal sounds like in a version: 3.x has one code for *banned* and one for all that is *not now*.
    private func words(_ code: UInt8, _ version: ProtocolVersion) -> [UInt8] {
        refused(version == .v5 ? code : code == 0x8A ? 5 : 3, version)
    }

    private func source(_ last: UInt8) -> IPAddress { .v4(IPv4Address(127, 0, 0, last)) }

    private func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }

    /// Sends a CONNECT and expects a refusal in its own words.
    private func isRefused(
        _ client: Peer, _ id: String, _ code: UInt8, _ version: ProtocolVersion,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        try client.send(try connect(id, version))
        #expect(try client.receiveToEnd() == (words(code, version), .closed), sourceLocation: location)
        client.close()
    }

    @Test("is told that its network is banned", arguments: ProtocolVersion.allCases)
    func denied(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let own = try prefix("127.0.0.2/32")
        let all = try prefix("127.0.0.0/8")
        let rig = try Rig(
            [broker.address],
            listener: { $0.admission.access = [.init(.allow, .network(own)), .init(.deny, .file("list", [all]))] })
        try isRefused(try rig.client(from: source(3)), "outside", 0x8A, version)
        rig.reaches(.accessDenied, 1)
        rig.reaches(EndCause.denied, 1)
        let inside = try rig.client(from: source(2))
        try inside.exchange(try connect("inside", version), expecting: accepted(version))
        inside.close()
        rig.finish()
        #expect(broker.seen.accepted == 1)
    }

    @Test("is told nothing where the listener is silent")
    func silent() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.admission.access = [.init(.deny, .all)]
                $0.admission.refusesSilently = true
            })
        // Closed without having sent anything: no CONNECT is waited for.
        #expect(try rig.client().receiveToEnd().bytes == [])
        rig.reaches(.accessDenied, 1)
        rig.reaches(EndCause.denied, 1)
        rig.finish()
    }

    @Test("is told that the listener is full", arguments: ProtocolVersion.allCases)
    func listenerFull(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], listener: { $0.maximumSessions = 1 })
        let first = try rig.session("first", version)
        try isRefused(try rig.client(), "second", 0x89, version)
        rig.reaches(.limitListener, 1)
        #expect(rig.listener.sessions.value == 1)
        first.close()
        #expect(eventually { rig.listener.sessions.value == 0 })
        try rig.session("second", version).close()
        rig.finish()
    }

    @Test("is told that its address has enough connections", arguments: [ProtocolVersion.v311, .v5])
    func sourceConnections(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 2, listener: { $0.admission.sourceConnections = 2 })
        let held = try (0..<2).map { number in
            let client = try rig.client(from: source(5))
            try client.exchange(try connect("device-\(number)", version), expecting: accepted(version))
            return client
        }
        try isRefused(try rig.client(from: source(5)), "third", 0x97, version)
        let other = try rig.client(from: source(6))
        try other.exchange(try connect("other", version), expecting: accepted(version))
        held[0].close()
        #expect(eventually { rig.listener.sessions.value == 2 })
        let next = try rig.client(from: source(5))
        try next.exchange(try connect("next", version), expecting: accepted(version))
        rig.reaches(.limitSourceConnections, 1)
        for client in [held[1], other, next] { client.close() }
        rig.finish()
    }

    @Test("is told that connections come too fast", arguments: [true, false], [ProtocolVersion.v311, .v5])
    func rates(isBySource: Bool, version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        // One token comes back in a second: what comes while the test runs is not more than the burst allows for long.
        let rate = Configuration.Rate(perSecond: 1, burst: 3)
        let rig = try Rig(
            [broker.address],
            listener: {
                if isBySource { $0.admission.sourceRate = rate } else { $0.admission.connectRate = rate }
            })
        var refusals: UInt64 = 0
        while refusals < 3 {
            let client = try rig.client(from: source(9))
            try client.send(try connect("device", version))
            let answer = try client.receive(accepted(version).count)
            if answer != accepted(version) {
                #expect(answer == words(0x9F, version))
                refusals += 1
            }
            client.close()
        }
        if isBySource {
            let other = try rig.client(from: source(10))
            try other.exchange(try connect("other", version), expecting: accepted(version))
            other.close()
        }
        rig.reaches(isBySource ? .limitSourceRate : .limitConnectRate, 3)
        rig.reaches(EndCause.limit, 3)
        rig.finish()
        #expect(broker.seen.accepted >= 3)
    }

    @Test("is told that its client ID connects too fast", arguments: [ProtocolVersion.v311, .v5])
    func clientRate(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], listener: { $0.admission.clientRate = .init(perSecond: 1, burst: 1) })
        try rig.session("busy", version).close()
        var isRefused = false
        while !isRefused {
            let client = try rig.client()
            try client.send(try connect("busy", version))
            isRefused = try client.receive(accepted(version).count) == words(0x9F, version)
            client.close()
        }
        try rig.session("calm", version).close()
        rig.reaches(.limitClientRate, 1)
        rig.finish()
    }

    @Test("waits when its client ID flaps, and loses nothing of what it sent")
    func flapping() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.admission.flapping = .init(reconnects: 3)
                $0.admission.flapping?.delay = .milliseconds(300)
            })
        for _ in 0..<3 { try rig.session("flapper").close() }
        let before = Clock.now
        let fourth = try rig.client()
        try fourth.send(try connect("flapper") + pingreq)
        #expect(eventually { rig.count(.limitFlapping) == 1 })
        // Others are not held up by it.
        try rig.session("calm").close()
        #expect(try fourth.receive(4) == accepted())
        #expect(Clock.now - before >= .milliseconds(300))
        #expect(try fourth.receive(2) == pingreq)
        fourth.close()
        // One that leaves while it waits leaves nothing behind.
        let fifth = try rig.client()
        try fifth.send(try connect("flapper"))
        #expect(eventually { rig.count(.limitFlapping) == 2 })
        fifth.reset()
        rig.finish()
        #expect(broker.seen.clientIDs.count == 5)
    }

    @Test("is refused when as many flapping clients wait as may")
    func held() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], capacity: 600,
            listener: {
                $0.admission.flapping = .init(reconnects: 1)
                $0.admission.flapping?.delay = .seconds(300)
            })
        try rig.session("flapper", .v5).close()
        let waiting = try (0..<AdmissionBounds.held).map { _ in
            let client = try rig.client()
            try client.send(try connect("flapper", .v5))
            return client
        }
        rig.reaches(.limitFlapping, UInt64(AdmissionBounds.held))
        try isRefused(try rig.client(), "flapper", 0x9F, .v5)
        rig.reaches(.limitHeld, 1)
        for client in waiting { client.reset() }
        rig.finish()
    }

    @Test("is judged by the address that a trusted proxy names, not by the proxy's")
    func forwarded() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let bad = try prefix("192.0.2.0/24")
        let own = try prefix("127.0.0.0/8")
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.webSocket = .init(path: "/mqtt")
                $0.trustedForwarders = [own]
                $0.admission.access = [.init(.deny, .network(bad))]
                $0.admission.sourceConnections = 1
            })
        func client(_ address: String) throws -> EdgePeer {
            let client = try EdgePeer(try Peer(to: rig.address), isClient: true, nil)
            try client.upgrade("/mqtt", host: "localhost", fields: ["X-Forwarded-For: \(address)"])
            try client.send(try connect(address, .v5))
            return client
        }
        let denied = try client("192.0.2.7")
        #expect(try denied.receive(5) == refused(0x8A, .v5))
        let first = try client("198.51.100.1")
        #expect(try first.receive(5) == accepted(.v5))
        let second = try client("198.51.100.1")
        #expect(try second.receive(5) == refused(0x97, .v5))
        let other = try client("198.51.100.2")
        #expect(try other.receive(5) == accepted(.v5))
        rig.reaches(.accessDenied, 1)
        rig.reaches(.limitSourceConnections, 1)
        #expect(eventually { rig.listener.sessions.value == 2 })
        for client in [denied, first, second, other] { client.peer.close() }
        rig.finish()
    }

    @Test("is not waited for when it says nothing after being refused")
    func mute() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], listener: { $0.admission.access = [.init(.deny, .all)] })
        #expect(try rig.client().receiveToEnd().bytes == [])
        rig.reaches(EndCause.denied, 1)
        #expect(rig.count(EndCause.connectDeadline) == 0)
        rig.finish()
    }
}

@Suite("A client that is slow")
struct SlowClientTests {
    @Test("may send its CONNECT byte by byte within its time", arguments: [ProtocolVersion.v311, .v5])
    func drip(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.connectDeadline = .seconds(30)
                $0.admission.firstByteDeadline = .seconds(20)
            })
        let client = try rig.client()
        for byte in try connect("dripping", version) { try client.send([byte]) }
        #expect(try client.receive(accepted(version).count) == accepted(version))
        client.close()
        rig.finish()
    }

    @Test("is closed when it says nothing at all, sooner than one that began its CONNECT")
    func firstByte() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.connectDeadline = .milliseconds(1500)
                $0.admission.firstByteDeadline = .milliseconds(150)
            })
        let mute = try rig.client()
        let slow = try rig.client()
        try slow.send([0x10])
        #expect(try mute.receiveToEnd().bytes == [])
        rig.reaches(EndCause.firstByteDeadline, 1)
        #expect(try slow.receiveToEnd().bytes == [])
        rig.reaches(EndCause.connectDeadline, 1)
        rig.finish()
        #expect(broker.seen.accepted == 0)
    }

    @Test("cannot wait with a CONNECT longer than the listener reads", arguments: [ProtocolVersion.v311, .v5])
    func oversize(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], listener: { $0.maximumConnectSize = 128 })
        let client = try rig.client()
        // Only the beginning is sent: the length in its header is enough.
        try client.send(Array(try connect(String(repeating: "k", count: 400), version).prefix(12)))
        #expect(try client.receiveToEnd().bytes == (version == .v5 ? refused(0x95, .v5) : []))
        client.close()
        #expect(eventually { rig.count(Violation.packetTooLarge) == 1 })
        rig.finish()
    }
}
