// The values a CONNECT gives, and the answers a refusal owes.

import MQTT
import Testing

@Suite("What a CONNECT says")
struct ConnectFieldTests {
    @Test func `Every field of 5.0 is where its range says`() throws {
        let bytes = packet(
            0x10,
            hex(
                "0004 'MQTT' 05 EE 0102 1D 11 0000000A 21 0007 27 00001000 22 0003 19 01 17 00 15 0001'm' 16 0002'da'")
                + hex("0003 'dev' 05 18 00000009 0004 'will' 0003 'bye' 0004 'user' 0002 'pw'"))
        let connect = try #require(acceptedConnect(in: bytes))
        let span = bytes.span
        #expect(connect.version == .v5)
        #expect(!connect.isBridge)
        #expect(connect.isCleanStart)
        #expect(connect.keepAlive == 0x0102)
        #expect(connect.flags == 0xEE)
        #expect(bytes[connect.levelOffset] == 5)
        #expect(connect.sessionExpiry == 10)
        #expect(connect.receiveMaximum == 7)
        #expect(connect.maximumPacketSize == 4096)
        #expect(connect.topicAliasMaximum == 3)
        #expect(connect.requestsResponseInformation)
        #expect(!connect.requestsProblemInformation)
        #expect(connect.properties.count == 29)
        let texts = [
            connect.authenticationMethod, connect.authenticationData, connect.clientID, connect.will?.topic,
            connect.will?.payload, connect.username, connect.password,
        ].map { $0?.text(in: span) }
        #expect(texts == ["m", "da", "dev", "will", "bye", "user", "pw"])
        let will = try #require(connect.will)
        #expect(will.qos == 1)
        #expect(will.isRetained)
        #expect(will.delay == 9)
        #expect(will.properties.bytes(in: span) == hex("18 00000009"))
    }

    @Test func `A bridge is flagged and its level kept`() throws {
        let bytes = packet(0x10, hex("0006 'MQIsdp' 83 00 003C 0002 'b1'"))
        let connect = try #require(acceptedConnect(in: bytes))
        #expect(connect.isBridge)
        #expect(connect.version == .v31)
        #expect(!connect.isCleanStart)
        #expect(connect.clientID.text(in: bytes.span) == "b1")
        #expect(connect.username == nil)
        #expect(connect.will == nil)
        #expect(connect.sessionExpiry == nil)
        #expect(connect.requestsProblemInformation)
    }

    @Test func `An altered copy changes its field and nothing else`() throws {
        let bytes = packet(
            0x10, hex("0004 'MQTT' 84 F6 003C 0003 'dev' 0004 'will' 0003 'bye' 0001 'u' 0001 'p'"))
        var draft = ConnectDraft(try #require(acceptedConnect(in: bytes)), in: bytes.span)
        draft.clientID = Array("tenant/dev".utf8)
        draft.username = nil
        draft.password = nil
        let expected = packet(0x10, hex("0004 'MQTT' 84 36 003C 000A 'tenant/dev' 0004 'will' 0003 'bye'"))
        #expect(try draft.encode() == expected)
        draft.clientID = [UInt8](repeating: 0x61, count: 65_536)
        #expect(throws: Oversize()) { try draft.encode() }
    }

    @Test(
        "A refusal is told in the client's own protocol",
        arguments: [
            // Malformed: silence in 3.x, 0x81 or 0x82 in 5.0.
            (Refusal(.trailingBytes, version: .v31), nil),
            (Refusal(.trailingBytes, version: .v311), nil),
            (Refusal(.trailingBytes, version: .v5), "20 03 00 81 00"),
            (Refusal(.connectReservedFlag, version: .v311), nil),
            (Refusal(.connectReservedFlag, version: .v5), "20 03 00 81 00"),
            (Refusal(.propertyDuplicate, version: .v5), "20 03 00 82 00"),
            (Refusal(.willTopic, version: .v5), "20 03 00 90 00"),
            (Refusal(.clientIdentifierEmpty, version: .v31), "20 02 00 02"),
            (Refusal(.clientIdentifierEmpty, version: .v311), "20 02 00 02"),
            (Refusal(.packetTooLarge, version: .v311), nil),
            (Refusal(.packetTooLarge, version: .v5), "20 03 00 95 00"),
            (Refusal(.packetTooLarge), nil),
            (Refusal(.protocolVersion, level: 3), "20 02 00 01"),
            (Refusal(.protocolVersion, level: 0), "20 02 00 01"),
            (Refusal(.protocolVersion, level: 6), "20 03 00 84 00"),
            (Refusal(.protocolVersion, level: 0x82), "20 02 00 01"),
            (Refusal(.protocolName), nil),
            (Refusal(.httpRequest), nil),
            (Refusal(.firstPacketNotConnect, packet: .publish), nil),
        ] as [(Refusal, String?)])
    func connack(_ refusal: Refusal, _ expected: String?) {
        #expect(refusal.connack == expected.map(hex))
    }

    @Test func `The refusal knows the client's version`() {
        let bytes = packet(0x10, hex("0004 'MQTT' 05 02 000A 00 0001 'p' 00"))
        #expect(sniff(bytes) == .failure(Refusal(.trailingBytes, version: .v5, level: 5)))
    }

    @Test func `Names are stable, unique and in kebab case; counters can be arrays`() {
        let names = Violation.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Violation.allCases.map(\.rawValue) == Array(0..<names.count))
        for violation in Violation.allCases {
            #expect(violation.name.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789-".contains($0) })
            #expect(!violation.rule.isEmpty)
        }
    }
}
