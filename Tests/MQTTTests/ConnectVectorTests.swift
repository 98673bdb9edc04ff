// Valid and invalid CONNECT packets, each whole, byte by byte, and glued to what follows.

import MQTT
import Testing

/// One CONNECT and what is to be said about it.
struct Vector: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    var violation: Violation?
    var testDescription: String { name }

    init(_ name: String, _ violation: Violation?, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        self.violation = violation
    }

    /// A CONNECT of 3.1.1 whose body behind the level is written as hex.
    static func v311(_ name: String, _ violation: Violation?, _ rest: String) -> Vector {
        Vector(name, violation, packet(0x10, hex("0004 'MQTT' 04" + rest)))
    }

    static func v31(_ name: String, _ violation: Violation?, _ rest: String) -> Vector {
        Vector(name, violation, packet(0x10, hex("0006 'MQIsdp' 03" + rest)))
    }

    static func v5(_ name: String, _ violation: Violation?, _ rest: String) -> Vector {
        Vector(name, violation, packet(0x10, hex("0004 'MQTT' 05" + rest)))
    }

    /// A CONNECT of 5.0 with these properties (shorter than 128 bytes).
    static func properties(_ name: String, _ violation: Violation?, _ properties: String) -> Vector {
        let block = hex(properties)
        let body = hex("0004 'MQTT' 05 02 000A") + [UInt8(block.count)] + block + hex("0001 'p'")
        return Vector(name, violation, packet(0x10, body))
    }

    /// A CONNECT of 5.0 with a will with these properties.
    static func will(_ name: String, _ violation: Violation?, _ properties: String) -> Vector {
        let block = hex(properties)
        let body =
            hex("0004 'MQTT' 05 06 000A 00 0001 'p'") + [UInt8(block.count)] + block + hex("0001 't' 0002 0001")
        return Vector(name, violation, packet(0x10, body))
    }
}

let validConnects: [Vector] = [
    .v31("3.1 minimal", nil, "02 000A 0001 'p'"),
    .v311("3.1.1 minimal", nil, "02 000A 0001 'p'"),
    .v5("5.0 minimal", nil, "02 000A 00 0001 'p'"),
    .v31("3.1 with the reserved flag", nil, "03 000A 0001 'p'"),
    .v31("3.1 with an identifier of 30 bytes", nil, "02 000A 001E 'connect-long-id-test----------'"),
    .v31("3.1 with a user name announced and missing", nil, "82 000A 0001 'p'"),
    .v31("3.1 with user name and a password announced and missing", nil, "C2 000A 0001 'p' 0001 'u'"),
    Vector("3.1 with QoS bits in the first byte", nil, packet(0x14, hex("0006 'MQIsdp' 03 02 000A 0001 'p'"))),
    Vector("3.1 with a first byte of 0x16", nil, packet(0x16, hex("0006 'MQIsdp' 03 02 000A 0001 'p'"))),
    Vector("bridge 3.1", nil, packet(0x10, hex("0006 'MQIsdp' 83 02 000A 0001 'p'"))),
    Vector("bridge 3.1.1", nil, packet(0x10, hex("0004 'MQTT' 84 02 000A 0001 'p'"))),
    Vector("3.1.1 with a length longer than needed", nil, hex("10 8D00 0004 'MQTT' 04 02 000A 0001 'p'")),
    .v311("3.1.1 with an empty identifier and clean session", nil, "02 000A 0000"),
    .v311("3.1.1 without clean session", nil, "00 0000 0001 'p'"),
    .v311("3.1.1 with user name", nil, "82 FFFF 0001 'p' 0000"),
    .v311("3.1.1 with user name and password", nil, "C2 003C 0000 0004 'test' 0006 'passwd'"),
    .v311("3.1.1 with a binary password", nil, "C2 003C 0000 0001 'u' 0003 00FF80"),
    .v311("3.1.1 with everything", nil, "EE 003C 0003 'dev' 0004 'will' 0003 'bye' 0001 'u' 0001 'p'"),
    .v311("3.1.1 with an empty will payload", nil, "0E 003C 0003 'dev' 0001 't' 0000"),
    .v311("3.1.1 with text of two, three and four bytes", nil, "02 000A 0009 C3A9 E282AC F09F9880"),
    .v5("5.0 with an empty identifier, no clean start", nil, "00 000A 00 0000"),
    .v5("5.0 with a password alone", nil, "42 000A 00 0001 'p' 0002 'pw'"),
    .properties("session expiry", nil, "11 FFFFFFFF"),
    .properties(
        "all properties", nil,
        "11 00000001 21 0001 27 00000001 22 0000 19 01 17 00 26 0001'a'0001'b' 15 0001'm' 16 0001 00"),
    .properties("authentication data before its method", nil, "16 0001 00 15 0001'm'"),
    .properties("user properties repeat", nil, "26 0001'a'0001'b' 26 0001'a'0001'b' 26 0000 0000"),
    .will("no will properties", nil, ""),
    .will("all will properties", nil, "18 0000000A 01 01 02 00000001 03 0002'ct' 08 0002'rt' 09 0001 00 26 0000 0000"),
    Vector(
        "a remaining length of 128", nil,
        packet(0x10, hex("0004 'MQTT' 04 02 000A 0074") + [UInt8](repeating: 0x61, count: 116))),
    Vector(
        "an identifier of 65,000 bytes", nil,
        packet(0x10, hex("0004 'MQTT' 04 02 000A FDE8") + [UInt8](repeating: 0x61, count: 65_000))),
]

let invalidConnects: [Vector] = [
    // The decision table of HAProxy's defects.
    .v311("will QoS 1 without will", .willFlags, "0A 000A 0001 'p'"),
    .v311("will QoS 2 without will", .willFlags, "12 000A 0001 'p'"),
    .v311("will retain without will", .willFlags, "22 000A 0001 'p'"),
    .v311("will QoS 3", .willQoS, "1E 000A 0001 'p' 0001 't' 0000"),
    .v311("QoS 3 without will", .willQoS, "1A 000A 0001 'p'"),
    .v311("password without user name, 3.1.1", .passwordWithoutUsername, "42 000A 0001 'p' 0001 'x'"),
    .v31("password without user name, 3.1", .passwordWithoutUsername, "42 000A 0001 'p' 0001 'x'"),
    Vector("lower-case name", .protocolName, packet(0x10, hex("0004 'mqtt' 04 02 000A 0001 'p'"))),
    Vector("MQIsdp 4", .protocolVersion, packet(0x10, hex("0006 'MQIsdp' 04 02 000A 0001 'p'"))),
    Vector("MQTT 3", .protocolVersion, packet(0x10, hex("0004 'MQTT' 03 02 000A 0001 'p'"))),
    Vector("MQTT 6", .protocolVersion, packet(0x10, hex("0004 'MQTT' 06 02 000A 0001 'p'"))),
    Vector("MQIsdp 0", .protocolVersion, packet(0x10, hex("0006 'MQIsdp' 00 02 000A 0001 'p'"))),
    .v311("identifier with U+0000", .utf8Null, "02 000A 0003 'a' 00 'b'"),
    .v311("empty identifier without clean session", .clientIdentifierEmpty, "00 000A 0000"),
    .v31("empty identifier in 3.1", .clientIdentifierEmpty, "02 000A 0000"),
    // Header.
    Vector("flags in the first byte, 3.1.1", .fixedHeaderFlags, packet(0x11, hex("0004 'MQTT' 04 02 000A 0001 'p'"))),
    Vector("flags in the first byte, 5.0", .fixedHeaderFlags, packet(0x12, hex("0004 'MQTT' 05 02 000A 00 0001 'p'"))),
    Vector("five length bytes", .remainingLength, hex("10 FFFFFFFF 7F 0004 'MQTT'")),
    Vector("5.0, longer length than needed", .remainingLength, hex("10 8E00 0004 'MQTT' 05 02 000A 00 0001 'p'")),
    Vector("larger than the limit", .packetTooLarge, hex("10 FFFFFF7F 0004 'MQTT' 04")),
    Vector("nothing inside", .truncated, hex("10 00")),
    Vector("too short for any CONNECT", .truncated, hex("10 07 0004 'MQTT' 04")),
    Vector("too short for MQIsdp", .truncated, hex("10 08 0006 'MQIsdp'")),
    Vector("no name", .protocolName, packet(0x10, hex("0000 'MQTT' 04 02 000A 0001 'p'"))),
    Vector("another name", .protocolName, packet(0x10, hex("0004 'MQTX' 04 02 000A 0001 'p'"))),
    .v311("reserved flag, 3.1.1", .connectReservedFlag, "03 000A 0001 'p'"),
    .v5("reserved flag, 5.0", .connectReservedFlag, "03 000A 00 0001 'p'"),
    // Inner lengths: bounded by the packet, not by the buffer.
    .v311("no keep-alive", .truncated, "02 00"),
    .v311("no identifier", .truncated, "02 000A"),
    .v311("identifier beyond the end", .truncated, "02 000A 0002 'p'"),
    .v311("will topic beyond the end", .truncated, "06 000A 0001 'p' 0005 't'"),
    .v311("will payload missing", .truncated, "06 000A 0001 'p' 0001 't'"),
    .v311("user name missing", .truncated, "82 000A 0001 'p'"),
    .v311("password missing", .truncated, "C2 000A 0001 'p' 0001 'u'"),
    .v311("a byte left", .trailingBytes, "02 000A 0001 'p' 00"),
    .v31("a byte left, 3.1", .trailingBytes, "02 000A 0001 'p' 00"),
    .v5("a byte left, 5.0", .trailingBytes, "02 000A 00 0001 'p' 00"),
    // Text.
    .v311("a surrogate", .utf8, "02 000A 0003 EDA080"),
    .v311("an overlong slash", .utf8, "02 000A 0002 C0AF"),
    .v311("an overlong form of three bytes", .utf8, "02 000A 0003 E080AF"),
    .v311("above U+10FFFF", .utf8, "02 000A 0004 F4908080"),
    .v311("a lone continuation", .utf8, "02 000A 0001 80"),
    .v311("a cut character", .utf8, "02 000A 0002 E282"),
    .v311("a character cut by the next field", .utf8, "82 000A 0001 C3 0001 'u'"),
    .v311("a tab", .utf8Control, "02 000A 0001 09"),
    .v311("U+007F", .utf8Control, "02 000A 0001 7F"),
    .v311("U+009F", .utf8Control, "02 000A 0002 C29F"),
    .v311("U+FFFF", .utf8NonCharacter, "02 000A 0003 EFBFBF"),
    .v311("U+FDD0", .utf8NonCharacter, "02 000A 0003 EFB790"),
    .v311("user name with U+0000", .utf8Null, "82 000A 0001 'p' 0001 00"),
    .v311("will topic with a wildcard", .willTopic, "06 000A 0001 'p' 0003 'a/#' 0000"),
    .v311("will topic with a plus", .willTopic, "06 000A 0001 'p' 0001 '+' 0000"),
    .v311("empty will topic", .willTopic, "06 000A 0001 'p' 0000 0000"),
    // Properties.
    .properties("unknown property", .propertyUnknown, "7F 00"),
    .properties("identifier of two bytes", .propertyUnknown, "9100 00000000"),
    .properties("a property of PUBLISH", .propertyNotAllowed, "23 0001"),
    .properties("a property of the will", .propertyNotAllowed, "18 00000001"),
    .properties("a property of CONNACK", .propertyNotAllowed, "13 0001"),
    .properties("session expiry twice", .propertyDuplicate, "11 00000001 11 00000001"),
    .properties("topic alias maximum twice", .propertyDuplicate, "22 0001 22 0001"),
    .properties("authentication method twice", .propertyDuplicate, "15 0001'm' 15 0001'm'"),
    .properties("receive maximum 0", .propertyValue, "21 0000"),
    .properties("maximum packet size 0", .propertyValue, "27 00000000"),
    .properties("request response information 2", .propertyValue, "19 02"),
    .properties("request problem information 2", .propertyValue, "17 02"),
    .properties("authentication data alone", .authenticationData, "16 0001 00"),
    .properties("a value beyond the block", .propertyLength, "11 0000"),
    .properties("a string beyond the block", .propertyLength, "15 0005 'm'"),
    .properties("a user property with U+0000", .utf8Null, "26 0001 00 0000"),
    .properties("a user property without value", .propertyLength, "26 0001 'a'"),
    .v5("block beyond the packet", .propertyLength, "02 000A 7F 0001 'p'"),
    .v5("block length longer than needed", .propertyLength, "02 000A 8000 0001 'p'"),
    .v5("no property length", .truncated, "02 000A"),
    .will("unknown will property", .propertyUnknown, "7E"),
    .will("a property of CONNECT in the will", .propertyNotAllowed, "11 00000001"),
    .will("will delay twice", .propertyDuplicate, "18 00000001 18 00000001"),
    .will("payload format 2", .propertyValue, "01 02"),
    .will("response topic with a wildcard", .topic, "08 0001 '#'"),
]

@Suite("A CONNECT is read by the specification, in any chunking")
struct ConnectVectorTests {
    @Test("valid", arguments: validConnects)
    func valid(_ vector: Vector) throws {
        guard case .success(.connect(let connect, let length)) = sniffAnyChunking(vector.bytes) else {
            Issue.record("refused: \(sniff(vector.bytes))")
            return
        }
        #expect(length == vector.bytes.count)
        #expect(connect.length == length)
        for glue in [hex("C000"), hex("82 06 0001 0001 'a' 00"), hex("FF"), vector.bytes] {
            #expect(
                sniff(vector.bytes + glue) == .success(.connect(connect, length: length)), "what follows is not read")
        }
    }

    @Test("invalid", arguments: invalidConnects)
    func invalid(_ vector: Vector) {
        #expect(sniffAnyChunking(vector.bytes) == .failure(vector.violation ?? .notMQTT))
        for glue in [hex("C000"), [UInt8](repeating: 0x61, count: 300)] {
            let glued = sniff(vector.bytes + glue).mapError(\.violation)
            #expect(glued == .failure(vector.violation ?? .notMQTT), "bytes of the next packet are no part of this one")
        }
    }

    @Test("a copy encodes to the same bytes", arguments: validConnects)
    func copy(_ vector: Vector) throws {
        let connect = try #require(acceptedConnect(in: vector.bytes))
        let copy = try ConnectDraft(connect, in: vector.bytes.span).encode()
        // The one vector whose length is longer than needed comes back shorter.
        let expected = vector.bytes[1] == 0x8D ? [0x10, 0x0D] + vector.bytes[3...] : vector.bytes[...]
        #expect(copy[...] == expected)
    }

    @Test func `A length that is a multiple of 128 needs more after 10 80`() {
        #expect(sniff(hex("10 80")) == .success(.needMore(atLeast: 3)))
        #expect(sniff(hex("10 8001")) == .success(.needMore(atLeast: 4)))
    }

    @Test func `Too large is told with the length, before its bytes`() {
        let limit = ConnectPolicy(maximumLength: 100)
        #expect(sniff(hex("10 63"), policy: limit) == .failure(Refusal(.packetTooLarge)))
        #expect(sniff(hex("10 62"), policy: limit) == .success(.needMore(atLeast: 3)))
        #expect(sniff(hex("10 808004"), policy: ConnectPolicy()) == .failure(Refusal(.packetTooLarge)))
        #expect(sniff(hex("10 FBFF03"), policy: ConnectPolicy()) == .success(.needMore(atLeast: 5)))
        #expect(sniff(hex("10 FDFF03"), policy: ConnectPolicy()) == .failure(Refusal(.packetTooLarge)))
        // When the version came along, the client can be told.
        let early = sniff(hex("10 63 0004 'MQTT' 05 02"), policy: limit)
        #expect(early == .failure(Refusal(.packetTooLarge, version: .v5)))
    }

    @Test func `A wrong name is refused with its first wrong byte`() {
        #expect(sniff(hex("10 0D 0004 'MQ'")) == .success(.needMore(atLeast: 7)))
        #expect(sniff(hex("10 0D 0004 'MQt'")).mapError(\.violation) == .failure(.protocolName))
        #expect(sniff(hex("10 0D 0005")).mapError(\.violation) == .failure(.protocolName))
    }

    @Test func `Bridges and control characters are a listener's choice`() {
        let bridge = packet(0x10, hex("0004 'MQTT' 84 02 000A 0001 'p'"))
        let refusal = Refusal(.bridgeNotAllowed, version: .v311, level: 0x84)
        #expect(sniff(bridge, policy: ConnectPolicy(acceptsBridges: false)) == .failure(refusal))
        #expect(refusal.connack == hex("20 02 00 01"))
        let tab = packet(0x10, hex("0004 'MQTT' 04 02 000A 0001 09"))
        guard case .success(.connect) = sniff(tab, policy: ConnectPolicy(acceptsControlCharacters: true)) else {
            Issue.record("a tab was refused where it is allowed")
            return
        }
        let null = packet(0x10, hex("0004 'MQTT' 04 02 000A 0001 00"))
        let result = sniff(null, policy: ConnectPolicy(acceptsControlCharacters: true)).mapError(\.violation)
        #expect(result == .failure(.utf8Null))
    }
}
