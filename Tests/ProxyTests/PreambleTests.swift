// From the first byte to a CONNECT, over real sockets.

import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A client's first bytes")
struct PreambleTests {
    @Test("CONNECT of every version, whole and byte by byte", arguments: ProtocolVersion.allCases, [1, 2])
    func connects(version: ProtocolVersion, loops: Int) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: loops)
        let packet = try connect("device-\(version.text)", version)

        let whole = try rig.client()
        try whole.exchange(packet, expecting: accepted(version))
        try whole.exchange(pingreq, expecting: pingreq)

        let slow = try rig.client()
        for byte in packet { try slow.send([byte]) }
        #expect(try slow.receive(accepted(version).count) == accepted(version))
        try slow.exchange(pingreq, expecting: pingreq)

        #expect(broker.seen.clientIDs == [id("device-\(version.text)"), id("device-\(version.text)")])
        #expect(rig.loads == [2])
        whole.close()
        slow.close()
        rig.reaches(.clientClosed, 2)
        rig.finish()
    }

    @Test("A CONNECT of one byte each tenth of a second is one, as long as it is whole in time")
    func dripping() throws {
        let broker = try Broker()
        defer { broker.stop() }
        // The document's inspect-delay is ten seconds; a busy machine gets more.
        let rig = try Rig([broker.address], listener: { $0.connectDeadline = .seconds(60) })
        let client = try rig.client()
        for byte in try connect("drip") {
            #expect(!client.happens(POLLIN, within: 100), "answered before it was whole")
            try client.send([byte])
        }
        #expect(try client.receive(4) == accepted())
        client.close()
        rig.finish()
    }

    @Test("What is pipelined behind CONNECT waits for CONNACK and arrives once, in order")
    func pipelined() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let packet = try connect("eager")
        let subscribe = try Packet.subscribe(Subscribe(identifier: 1, filters: [Subscribe.Filter(id("a/b"), qos: 1)]))
            .encode(version: .v311)
        let publish = try Packet.publish(Publish(topic: id("a/b"), payload: [UInt8](repeating: 7, count: 5000)))
            .encode(version: .v311)
        let client = try rig.client()
        try client.send(packet + subscribe + publish)
        let broker = try server.accept()
        #expect(try broker.receive(packet.count) == packet)
        #expect(!broker.happens(POLLIN, within: 50), "nothing behind CONNECT may be sent before CONNACK")
        // More while it waits, and CONNACK with the first message glued to it.
        try client.send(pingreq)
        try broker.send(accepted() + [0xD0, 0])
        #expect(try client.receive(6) == accepted() + [0xD0, 0])
        #expect(try broker.receive(subscribe.count + publish.count + 2) == subscribe + publish + pingreq)
        #expect(!broker.happens(POLLIN, within: 20))
        client.close()
        #expect(try broker.receiveToEnd().bytes == [])
        broker.close()
        rig.finish()
    }

    @Test("A CONNECT of 60 KiB reaches the server byte for byte")
    func large() throws {
        let server = try Listener(receiveBuffer: 4096)
        let rig = try Rig([server.address])
        var draft = ConnectDraft(version: .v5, clientID: id("large"))
        draft.password = (0..<60 * 1024).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let packet = try draft.encode()
        let client = try rig.client()
        let sending = try Worker { try client.send(packet) }
        let broker = try server.accept()
        #expect(try broker.receive(packet.count) == packet)
        try sending.join()
        try broker.send(accepted(.v5))
        #expect(try client.receive(5) == accepted(.v5))
        client.close()
        broker.close()
        rig.finish()
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let violation: Violation
        let bytes: [UInt8]
        let answer: [UInt8]
        var testDescription: String { violation.name }

        init(_ violation: Violation, _ bytes: [UInt8], _ answer: [UInt8] = []) {
            self.violation = violation
            self.bytes = bytes
            self.answer = answer
        }
    }

    static let bad: [Bad] = [
        Bad(.httpRequest, id("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
        Bad(.webSocketUpgrade, id("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")),
        Bad(.tlsClientHello, [0x16, 3, 1, 0, 200, 1]),
        Bad(.sshBanner, id("SSH-2.0-OpenSSH_9\r\n")),
        Bad(.proxyHeaderV1, id("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")),
        Bad(.proxyHeaderV2, [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21]),
        Bad(.amqpHeader, id("AMQP\0\0\u{9}\u{1}")),
        Bad(.firstPacketNotConnect, pingreq),
        Bad(.notMQTT, [0, 0, 0, 0]),
        Bad(.remainingLength, [0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        Bad(.packetTooLarge, [0x10, 0xFF, 0xFF, 0xFF, 0x7F, 0, 4] + id("MQTT") + [5, 2], refused(0x95, .v5)),
        Bad(.protocolName, [0x10, 12, 0, 4] + id("MQTX") + [4, 2, 0, 0, 0, 0]),
        Bad(.protocolVersion, [0x10, 12, 0, 4] + id("MQTT") + [3, 2, 0, 0, 0, 0], refused(1)),
        Bad(.protocolVersion, [0x10, 13, 0, 4] + id("MQTT") + [6, 2, 0, 0, 0, 0, 0], refused(0x84, .v5)),
        Bad(.connectReservedFlag, [0x10, 12, 0, 4] + id("MQTT") + [4, 3, 0, 0, 0, 0]),
        Bad(.connectReservedFlag, [0x10, 13, 0, 4] + id("MQTT") + [5, 3, 0, 0, 0, 0, 0], refused(0x81, .v5)),
        Bad(.willQoS, [0x10, 12, 0, 4] + id("MQTT") + [4, 0x1E, 0, 0, 0, 0]),
        Bad(.clientIdentifierEmpty, [0x10, 12, 0, 4] + id("MQTT") + [4, 0, 0, 0, 0, 0], refused(2)),
        Bad(.utf8, [0x10, 14, 0, 4] + id("MQTT") + [4, 2, 0, 0, 0, 2, 0xC0, 0x80]),
        Bad(.trailingBytes, [0x10, 13, 0, 4] + id("MQTT") + [4, 2, 0, 0, 0, 0, 9]),
    ]

    @Test("What is no CONNECT is refused in its own words or in silence, and counted by name", arguments: bad)
    func refuses(bad: Bad) throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        // A request that comes in pieces counts as plain HTTP: its first word is enough to refuse it.
        let ways = bad.violation == .webSocketUpgrade ? [[bad.bytes]] : [[bad.bytes], bad.bytes.map { [$0] }]
        for pieces in ways {
            let before = rig.count(bad.violation)
            let client = try rig.client()
            // The refusal may come before the last byte was sent.
            for piece in pieces where (try? client.send(piece)) == nil { break }
            let (answer, ending) = try client.receiveToEnd()
            // In pieces its length tells that it is too long before anything tells its version: silence is right too.
            let mayBeSilent = bad.violation == .packetTooLarge && pieces.count > 1
            #expect(answer == bad.answer || (mayBeSilent && answer.isEmpty))
            // A refusal in words must be readable; silence may come as a reset.
            if !answer.isEmpty { #expect(ending == .closed) }
            #expect(eventually { rig.count(bad.violation) == before + 1 })
        }
        #expect(Violation.allCases.allSatisfy { $0 == bad.violation || rig.count($0) == 0 })
        #expect(!server.isKnocked(within: 0), "no server is asked")
        rig.finish()
        #expect(rig.count(.refused) == UInt64(ways.count))
    }

    @Test("A CONNECT that does not come whole is closed at its deadline, however steadily it drips")
    func slow() throws {
        let server = try Listener()
        let rig = try Rig([server.address], listener: { $0.connectDeadline = .milliseconds(300) })
        let start = Clock.now
        let mute = try rig.client()
        let dripping = try rig.client()
        let packet = try connect("a-client-that-never-finishes", .v5)
        for byte in packet.dropLast() {
            guard (try? dripping.send([byte])) != nil, !dripping.happens(POLLIN, within: 20) else { break }
        }
        #expect(try dripping.receiveToEnd().bytes == [])
        #expect(try mute.receiveToEnd().bytes == [])
        #expect(Clock.now - start >= .milliseconds(300))
        rig.reaches(.connectDeadline, 2)
        rig.finish()
    }

    @Test("A client that goes before its CONNECT is whole leaves nothing behind")
    func goes() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let closing = try rig.client()
        try closing.send(Array(try connect("gone").prefix(7)))
        closing.close()
        rig.reaches(.clientClosed, 1)
        let resetting = try rig.client()
        try resetting.send(Array(try connect("gone").prefix(7)))
        #expect(eventually { rig.gauge(.chunks) == 1 })
        resetting.reset()
        rig.reaches(.clientReset, 1)
        rig.finish()
    }
}
