// What is not MQTT is named.

import MQTT
import Testing

@Suite("Foreign traffic is refused early and by its name")
struct ForeignTrafficTests {
    static let table: [(String, Violation)] = [
        ("'GET / HTTP/1.1' 0D0A", .httpRequest),
        ("'POST /x HTTP/1.0' 0D0A", .httpRequest),
        ("'PUT /'", .httpRequest),
        ("'PATCH /'", .httpRequest),
        ("'HEAD / '", .httpRequest),
        ("'OPTIONS * '", .httpRequest),
        ("'DELETE / '", .httpRequest),
        ("'TRACE / '", .httpRequest),
        ("'CONNECT a:443 '", .httpRequest),
        ("'PRI * HTTP/2.0' 0D0A", .httpRequest),
        ("16 03 01 0200 01", .tlsClientHello),
        ("16 03 03 0005", .tlsClientHello),
        ("'SSH-2.0-OpenSSH_9.2' 0D0A", .sshBanner),
        ("'PROXY TCP4 192.0.2.1 192.0.2.2 1 2' 0D0A", .proxyHeaderV1),
        ("0D0A0D0A000D0A515549540A 21 11 000C", .proxyHeaderV2),
        ("'AMQP' 00 00 09 01", .amqpHeader),
        ("'PXYZ'", .firstPacketNotConnect),
        ("00", .notMQTT),
        ("'GIT '", .notMQTT),
        ("0D0A0D0B", .notMQTT),
        ("FF", .notMQTT),
    ]

    @Test(arguments: table)
    func named(_ text: String, _ violation: Violation) {
        #expect(sniffAnyChunking(hex(text)) == .failure(violation))
    }

    @Test func `A WebSocket upgrade in one piece is told from other HTTP`() {
        let upgrade = hex("'GET /mqtt HTTP/1.1' 0D0A 'Host: x' 0D0A 'upgrade: WebSocket' 0D0A0D0A")
        #expect(sniff(upgrade) == .failure(Refusal(.webSocketUpgrade)))
    }

    @Test(
        arguments: [
            ("20 02 00 00", .connack), ("30 03 0001 'a'", .publish), ("82 06 0001 0001 'a' 00", .subscribe),
            ("C0 00", .pingreq), ("E0 00", .disconnect), ("F0 00", .auth),
        ] as [(String, PacketType)])
    func firstPacket(_ text: String, _ type: PacketType) {
        #expect(sniffAnyChunking(hex(text)) == .failure(.firstPacketNotConnect))
        #expect(sniff(hex(text)) == .failure(Refusal(.firstPacketNotConnect, packet: type)))
        #expect(type.name == "\(type)")
    }

    @Test func `The first byte is enough where it can be`() {
        #expect(sniff(hex("C0")) == .failure(Refusal(.firstPacketNotConnect, packet: .pingreq)))
        #expect(sniff(hex("00")) == .failure(Refusal(.notMQTT)))
        #expect(sniff([]) == .success(.needMore(atLeast: 1)))
    }
}
