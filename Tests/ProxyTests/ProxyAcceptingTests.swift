// PROXY headers in front of what clients send, over real sockets.

import Configuration
import Linux
import MQTT
import ProxyProtocol
import Testing
import Wire

@testable import Proxy

@Suite("A PROXY header before the client's first byte")
struct ProxyAcceptingTests {
    struct Good: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        /// `nil`: the socket's own.
        let client: String?
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ client: String?) {
            self.name = name
            self.bytes = bytes
            self.client = client
        }
    }

    static let good: [Good] = [
        Good("v1 TCP4", id("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n"), "192.0.2.1:56324"),
        Good("v1 TCP6", id("PROXY TCP6 2001:db8::1 2001:db8::2 40000 8883\r\n"), "[2001:db8::1]:40000"),
        Good("v1 UNKNOWN", id("PROXY UNKNOWN\r\n"), nil),
        Good("v1 UNKNOWN and more", id("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), nil),
        Good("v2 TCP4", Header.v2([0x21, 0x11], Header.v4), "192.0.2.1:56324"),
        Good("v2 TCP6", Header.v2([0x21, 0x21], Header.v6), "[2001:db8::1]:40000"),
        Good("v2 IPv4 as IPv6", Header.v2([0x21, 0x21], Header.mapped), "192.0.2.1:56324"),
        Good("v2 UDP4", Header.v2([0x21, 0x12], Header.v4), nil),
        Good("v2 UDP6", Header.v2([0x21, 0x22], Header.v6), nil),
        Good("v2 UNSPEC", Header.v2([0x21, 0x00], []), nil),
        Good("v2 UNIX", Header.v2([0x21, 0x31], [UInt8](repeating: 0x61, count: 216)), nil),
        Good("v2 LOCAL", Header.v2([0x20, 0x00], []), nil),
        Good("v2 LOCAL with addresses", Header.v2([0x20, 0x11], Header.v4), nil),
        Good(
            "v2 with a checksum",
            Header.v2([0x21, 0x11], Header.v4 + Header.tlv(3, [0xC6, 0x97, 0xE7, 0xC2])), "192.0.2.1:56324"),
        Good(
            "v2 with TLVs nobody knows, as of AWS",
            Header.v2([0x21, 0x11], Header.v4 + Header.tlv(0xEA, [1] + id("vpce-08d2bf15fac5001c9"))),
            "192.0.2.1:56324"),
        Good(
            "v2 of 4096 bytes",
            Header.v2([0x21, 0x11], Header.v4 + Header.tlv(4, [UInt8](repeating: 0, count: 4096 - 16 - 12 - 3))),
            "192.0.2.1:56324"),
    ]

    @Test("is taken in any fragmentation, and its address is the client's", arguments: good)
    func takes(good: Good) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], listener: { $0.proxyAcceptance = .loopback })
        let packet = try connect("behind-a-proxy")
        let whole = good.bytes + packet + pingreq
        let cut = good.bytes.count / 2
        let ways = [
            [whole], [good.bytes, packet + pingreq], [Array(whole[..<cut]), Array(whole[cut...])],
            [Array(whole[..<(good.bytes.count + 3)]), Array(whole[(good.bytes.count + 3)...])],
            good.bytes.count < 300 ? whole.map { [$0] } : [whole],
        ]
        for pieces in ways {
            let client = try rig.client()
            let own = try #require(Socket.localAddress(client.number))
            for piece in pieces { try client.send(piece) }
            #expect(try client.receive(6) == accepted() + pingreq)
            let session = try #require(try rig.listing().first)
            #expect("\(session.peer)" == good.client ?? "\(own)")
            #expect(session.bytesUp == UInt64(packet.count + 2))
            #expect(Int(session.skipped) == good.bytes.count)
            #expect(session.replaced == 0)
            #expect(session.added == 0)
            client.close()
            #expect(eventually { rig.gauge(.sessions) == 0 })
        }
        #expect(rig.count(.proxyAccepted) + rig.count(.proxyLocal) == UInt64(ways.count))
        #expect(broker.seen.clientIDs.count == ways.count)
        rig.finish()
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let violation: ProxyViolation
        let bytes: [UInt8]
        var testDescription: String { violation.name }

        init(_ violation: ProxyViolation, _ bytes: [UInt8]) {
            self.violation = violation
            self.bytes = bytes
        }
    }

    static let bad: [Bad] = [
        Bad(.notProxy, [0x10, 12, 0, 4] + id("MQTT")),
        Bad(.notProxy, id("PROXZ TCP4 1.2.3.4 5.6.7.8 1 2\r\n")),
        Bad(.lineTooLong, id("PROXY UNKNOWN " + String(repeating: "x", count: 107))),
        Bad(.line, id("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n")),
        Bad(.line, id("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n")),
        Bad(.address, id("PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n")),
        Bad(.address, id("PROXY TCP4 ::1 ::2 1 2\r\n")),
        Bad(.port, id("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n")),
        Bad(.port, id("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n")),
        Bad(.version, Header.v2([0x31, 0x11], Header.v4)),
        Bad(.command, Header.v2([0x22, 0x11], Header.v4)),
        Bad(.family, Header.v2([0x21, 0x41], Header.v4)),
        Bad(.addressLength, Header.v2([0x21, 0x21], Header.v4)),
        Bad(.headerTooLong, Header.v2([0x21, 0x11], Header.v4 + [UInt8](repeating: 0, count: 4096))),
        Bad(.tlvTruncated, Header.v2([0x21, 0x11], Header.v4 + [1, 0, 9, 1])),
        Bad(
            .tlvTooMany,
            Header.v2([0x21, 0x11], Header.v4 + (0..<65).flatMap { _ in Header.tlv(0xE0, []) })),
        Bad(.tlvDuplicate, Header.v2([0x21, 0x11], Header.v4 + Header.tlv(2, [0x61]) + Header.tlv(2, [0x62]))),
        Bad(.tlvLength, Header.v2([0x21, 0x11], Header.v4 + Header.tlv(5, [UInt8](repeating: 1, count: 129)))),
        Bad(.checksum, Header.v2([0x21, 0x11], Header.v4 + Header.tlv(3, [0, 0, 0, 0]))),
    ]

    @Test("is refused in silence when it breaks a rule, and counted by it", arguments: bad)
    func refuses(bad: Bad) throws {
        let server = try Listener()
        let rig = try Rig([server.address], listener: { $0.proxyAcceptance = .loopback })
        for (round, pieces) in [[bad.bytes], bad.bytes.map { [$0] }].enumerated() {
            let client = try rig.client()
            for piece in pieces where (try? client.send(piece)) == nil { break }
            #expect(try client.receiveToEnd().bytes == [])
            #expect(eventually { rig.count(bad.violation) == UInt64(round + 1) })
        }
        #expect(ProxyViolation.allCases.allSatisfy { $0 == bad.violation || rig.count($0) == 0 })
        // Counted behind the close that the client saw.
        #expect(eventually { rig.count(.proxyRefused) == 2 })
        #expect(!server.isKnocked(within: 0), "no server is asked")
        rig.finish()
    }

    @Test("is believed from nobody else: who is not trusted is refused, or is a client of its own")
    func strangers() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let strict = try Rig([broker.address], listener: { $0.proxyAcceptance = .elsewhere })
        let refused = try strict.client()
        #expect(try refused.receiveToEnd().bytes == [])
        strict.reaches(.proxyUntrusted, 1)
        strict.reaches(.proxyRefused, 1)
        strict.finish()

        let open = try Rig(
            [broker.address],
            listener: {
                $0.proxyAcceptance = .elsewhere
                $0.proxyAcceptance?.isOptional = true
            })
        let plain = try open.session("plain")
        let own = try #require(Socket.localAddress(plain.number))
        #expect(try open.listing().map { "\($0.peer)" } == ["\(own)"])
        let liar = try open.client()
        try liar.send(id("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n") + (try connect("liar")))
        #expect(try liar.receiveToEnd().bytes == [])
        #expect(eventually { open.count(Violation.proxyHeaderV1) == 1 })
        plain.close()
        open.finish()
    }

    @Test("is waited for, but not for ever; the CONNECT behind it has its own time")
    func slow() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address],
            listener: {
                $0.proxyAcceptance = .loopback
                $0.proxyTimeout = .milliseconds(200)
                $0.connectDeadline = .milliseconds(600)
            })
        let start = Clock.now
        let mute = try rig.client()
        let half = try rig.client()
        try half.send(Array(Header.v2([0x21, 0x11], Header.v4).prefix(20)))
        let late = try rig.client()
        try late.send(Header.v2([0x21, 0x11], Header.v4))
        for peer in [mute, half, late] { #expect(try peer.receiveToEnd().bytes == []) }
        #expect(Clock.now - start >= .milliseconds(600))
        rig.reaches(.proxyDeadline, 2)
        rig.reaches(.connectDeadline, 1)
        rig.finish()
    }

    @Test("leaves a chunk's whole room to the CONNECT behind it")
    func large() throws {
        let server = try Listener(receiveBuffer: 4096)
        let rig = try Rig([server.address], listener: { $0.proxyAcceptance = .loopback })
        var draft = ConnectDraft(version: .v5, clientID: id("large"))
        draft.password = (0..<65_536 - 40).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let packet = try draft.encode()
        #expect(packet.count > 65_500 && packet.count <= 65_536)
        let header = Header.v2([0x21, 0x11], Header.v4 + Header.tlv(4, [UInt8](repeating: 0, count: 4000)))
        let client = try rig.client()
        let sending = try Worker { try client.send(header + packet + pingreq) }
        let broker = try server.accept()
        #expect(try broker.receive(packet.count) == packet)
        try broker.send(accepted(.v5))
        #expect(try broker.receive(2) == pingreq)
        try sending.join()
        client.close()
        broker.close()
        rig.finish()
    }
}
