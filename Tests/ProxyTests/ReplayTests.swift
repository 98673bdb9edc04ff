// What a client does not notice: servers that fail between CONNECT and CONNACK.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

@testable import Proxy

@Suite("A CONNECT that a server does not take")
struct ReplayTests {
    /// How the first server fails.
    struct Fault: Sendable, CustomTestStringConvertible {
        let name: String
        /// `nil`: nobody listens there.
        let behaviour: Broker.Behaviour?
        let version: ProtocolVersion
        let counter: ProxyCounter
        /// The first server's health afterwards.
        let status: HealthState.Status

        var testDescription: String { name }

        init(
            _ name: String, _ behaviour: Broker.Behaviour?, _ counter: ProxyCounter,
            _ version: ProtocolVersion = .v311, status: HealthState.Status = .unchecked
        ) {
            self.name = name
            self.behaviour = behaviour
            self.counter = counter
            self.version = version
            self.status = status
        }
    }

    static let faults: [Fault] = [
        Fault("refused", nil, .connectFailed),
        Fault("accepts and closes", .close, .serverClosedEarly),
        Fault("accepts and resets", .reset, .serverClosedEarly),
        Fault("accepts and is silent", .silent, .connackTimeout),
        Fault("unavailable, 3.1.1", .answerAndClose(refused(3)), .connackAnotherServer, status: .busy),
        Fault("unavailable, 5.0", .answerAndClose(refused(0x88, .v5)), .connackAnotherServer, .v5, status: .busy),
        Fault("busy, 5.0", .answer(refused(0x89, .v5)), .connackAnotherServer, .v5, status: .busy),
        Fault("garbage", .answer(id("220 smtp.example.org\r\n")), .connackMalformed),
        Fault("garbage before CONNECT", .greet(id("SSH-2.0-OpenSSH\r\n")), .connackMalformed),
        Fault("a packet that is no CONNACK", .answer([0xD0, 0]), .connackMalformed, .v5),
        Fault("ends its stream and goes on reading", .greetAndEnd([]), .serverClosedEarly),
        Fault("half a CONNACK, then the end", .greetAndEnd([0x20, 2]), .serverClosedEarly),
        Fault("a CONNACK longer than any", .answer([0x20, 0xFF, 0xFF, 0x7F]), .connackMalformed, .v5),
    ]

    @Test("goes to the next, and the client sees one CONNACK 0", arguments: faults)
    func replays(fault: Fault) throws {
        let bad = try fault.behaviour.map { try Broker($0) }
        let unused = try Listener(isListening: false)
        let good = try Broker()
        defer {
            bad?.stop()
            good.stop()
        }
        let rig = try Rig(
            [bad?.address ?? unused.address, good.address], backend: { $0.connackTimeout = .milliseconds(200) })
        let before = Clock.now
        let client = try rig.client()
        try client.exchange(try connect("replayed", fault.version), expecting: accepted(fault.version))
        if fault.counter != .connackTimeout {
            #expect(Clock.now - before < .milliseconds(200), "found out at once, not by the timeout")
        }
        try client.exchange(pingreq, expecting: pingreq)
        #expect(rig.stuck("replayed") == 1)
        #expect(rig.loads == [0, 1])
        #expect(rig.count(fault.counter) == 1)
        #expect(rig.count(.replays) == 1)
        #expect(rig.count(.tries) == 2)
        #expect(rig.count(.established) == 1)
        #expect(rig.checksMoved.value == 1, "its health was told")
        #expect(rig.backend.current.servers[0].health.status == fault.status)
        #expect(rig.backend.current.servers[1].health.status == .unchecked)
        client.close()
        rig.finish()
        #expect(good.seen.clientIDs == [id("replayed")])
    }

    @Test("A server that does not answer the connection attempt is left after the connect timeout")
    func connectTimeout() throws {
        // A full queue: the kernel drops what comes, as a dead host would.
        let server = try Listener()
        #expect(Glibc.listen(server.number, 0) == 0)
        var filling: [Peer] = []
        for _ in 0..<2 {
            let peer = Peer(try Socket.connect(server.address))
            _ = peer.happens(POLLOUT, within: 100)
            filling.append(peer)
        }
        let good = try Broker()
        defer { good.stop() }
        let rig = try Rig([server.address, good.address], backend: { $0.connectTimeout = .milliseconds(200) })
        let client = try rig.session("patient")
        #expect(rig.count(.connectTimeout) == 1)
        #expect(rig.checksMoved.value == 1, "its health was told")
        client.close()
        rig.finish()
    }

    @Test("When every server fails the client is told, and can read it", arguments: ProtocolVersion.allCases)
    func exhausted(version: ProtocolVersion) throws {
        let dead = try Listener(isListening: false)
        let closing = try Broker(.close)
        let busy = try Broker(.answerAndClose(refused(version == .v5 ? 0x89 : 3, version)))
        defer {
            closing.stop()
            busy.stop()
        }
        let rig = try Rig([dead.address, closing.address, busy.address])
        let client = try rig.client()
        // A client that has much to say, none of which is ever read.
        let more = [UInt8](repeating: 0xC0, count: 4 << 20)
        let packet = try connect("hopeless", version)
        let sending = try Worker { try? client.send(packet + more) }
        let (answer, ending) = try client.receiveToEnd()
        #expect(answer == refused(version == .v5 ? 0x88 : 3, version))
        #expect(ending == .closed)
        client.close()
        try sending.join()
        #expect(rig.count(.tries) == 3)
        #expect(rig.count(.replays) == 2)
        #expect(rig.stuck("hopeless") == nil)
        rig.finish()
        #expect(rig.count(.noServer) == 1)
    }

    @Test("A refused client that never closes is closed soon")
    func lingers() throws {
        let dead = try Listener(isListening: false)
        let rig = try Rig([dead.address])
        let client = try rig.client()
        try client.send(try connect("lingering"))
        #expect(try client.receiveToEnd() == (refused(3), .closed))
        rig.finish()
        client.close()
    }

    @Test("A client of 5.0 that takes no packet as long as the refusal gets none")
    func tiny() throws {
        let dead = try Listener(isListening: false)
        let rig = try Rig([dead.address])
        for (limit, answer) in [(UInt32(4), []), (5, refused(0x88, .v5))] {
            var properties = Properties()
            properties.append(.maximumPacketSize, limit)
            let client = try rig.client()
            try client.send(try connect("tiny", .v5, properties: properties))
            #expect(try client.receiveToEnd().bytes == answer)
            client.close()
        }
        rig.finish()
    }

    @Test("a refusal that names another server is passed on without the name", arguments: [Wrapping.tcp, .wss])
    func serverReference(wrapping: Wrapping) throws {
        var draft = ConnackDraft(.notAuthorized)
        try draft.properties.append(.serverReference, id("10.0.0.7:1883"))
        let broker = try Broker(.answerAndClose(try draft.encode(version: .v5)))
        defer { broker.stop() }
        let rig = try EdgeTests.rig(Combination(client: wrapping, server: .tcp), [broker.address])
        let client = try EdgePeer(to: rig.address, wrapping)
        try client.send(try connect("curious", .v5))
        #expect(try client.receiveToEnd() == refused(0x87, .v5))
        rig.reaches(.serverReferencesHidden, 1)
        #expect(rig.count(.connackRefused) == 1)
        client.peer.close()
        rig.finish()
    }

    @Test(
        "A refusal that concerns the client is the client's, and teaches nothing",
        arguments: [(UInt8(5), ProtocolVersion.v311), (4, .v31), (0x87, .v5), (0x86, .v5)])
    func credentials(code: UInt8, version: ProtocolVersion) throws {
        let first = try Broker(.answerAndClose(refused(code, version)))
        let second = try Broker()
        defer {
            first.stop()
            second.stop()
        }
        let rig = try Rig([first.address, second.address])
        let client = try rig.client()
        try client.send(try connect("stranger", version))
        #expect(try client.receiveToEnd() == (refused(code, version), .closed))
        client.close()
        #expect(rig.stuck("stranger") == nil)
        #expect(rig.count(.connackRefused) == 1)
        #expect(rig.count(.replays) == 0)
        #expect(rig.checksMoved.value == 0)
        #expect(second.seen.accepted == 0)
        rig.finish()
    }

    @Test("A client that resets while a server is silent ends at once")
    func abandons() throws {
        let silent = try Broker(.silent)
        defer { silent.stop() }
        let rig = try Rig([silent.address])
        let client = try rig.client()
        try client.send(try connect("impatient"))
        #expect(eventually { silent.seen.accepted == 1 && rig.loads == [1] })
        client.reset()
        rig.reaches(.abandoned, 1)
        rig.finish()
        #expect(eventually { silent.seen.open == 0 })
    }

    @Test("A server that resets in the middle of a long CONNECT is not taken for a dead one")
    func resetInside() throws {
        let first = try Broker(.reset)
        let second = try Broker()
        defer {
            first.stop()
            second.stop()
        }
        let rig = try Rig([first.address, second.address])
        var draft = ConnectDraft(version: .v311, clientID: id("long"))
        draft.username = id("u")
        draft.password = [UInt8](repeating: 7, count: 60 * 1024)
        for number in 1...8 {
            let client = try rig.client()
            draft.clientID = id("long-\(number)")
            try client.exchange(try draft.encode(), expecting: accepted())
            client.close()
        }
        #expect(rig.backend.current.servers[0].health.status == .unchecked)
        rig.finish()
    }

    @Test("A refusal to a client that has ended its stream and reset does not end the process")
    func refusalIntoReset() throws {
        // Writing to such a socket raises SIGPIPE unless told otherwise. All of it waits in the kernel before the loop
        // accepts, so that it is seen in one go.
        let dead = try Listener(isListening: false)
        let rig = try Rig([dead.address])
        let (late, address) = try Rig.listen("late", loops: 1, number: 1)
        for _ in 0..<8 {
            let client = try Peer(to: address)
            try client.send(try connect("gone", .v5))
            client.shutdown()
            client.reset()
        }
        rig.post(.adopt(Snapshot(listeners: [rig.listener, late], backends: [rig.backend], tables: [rig.table])))
        rig.reaches(.closed, 8)
        rig.finish()
    }
}
