// Packets written and read again, for all versions.

import MQTT
import Testing
import Wire

/// Random packets that are valid in `version`.
struct PacketMaker {
    var random: SeededGenerator
    let version: ProtocolVersion

    mutating func text(_ count: ClosedRange<Int>) -> [UInt8] {
        let alphabet = ["a", "Z", "0", "/", "-", "é", "€", "😀"]
        return (0..<Int.random(in: count, using: &random)).flatMap { _ in
            Array(alphabet[Int.random(in: 0..<alphabet.count, using: &random)].utf8)
        }
    }

    mutating func binary(_ count: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: count, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    mutating func chance() -> Bool { Bool.random(using: &random) }

    mutating func properties(_ numbers: [Property], _ texts: [Property] = []) throws -> Properties {
        var properties = Properties()
        guard version == .v5 else { return properties }
        for property in numbers where chance() { properties.append(property, 1) }
        for property in texts where chance() { try properties.append(property, text(1...9)) }
        for _ in 0..<Int.random(in: 0...2, using: &random) { try properties.append(user: text(0...5), text(0...5)) }
        return properties
    }

    mutating func connect() throws -> ConnectDraft {
        var draft = ConnectDraft(
            version: version, clientID: text(1...40), keepAlive: .random(in: 0...65_535, using: &random))
        draft.isBridge = chance()
        draft.isCleanStart = chance()
        draft.properties = try properties(
            [.sessionExpiryInterval, .receiveMaximum, .maximumPacketSize, .requestProblemInformation],
            [.authenticationMethod])
        if chance() {
            draft.will = .init(
                topic: text(1...30), payload: binary(0...300), qos: .random(in: 0...2, using: &random),
                isRetained: chance(), properties: try properties([.willDelayInterval], [.contentType]))
        }
        if chance() { draft.username = text(0...20) }
        if chance(), draft.username != nil || version == .v5 { draft.password = binary(0...20) }
        return draft
    }

    mutating func packet() throws -> Packet {
        let identifier = UInt16.random(in: 1...65_535, using: &random)
        let reason = version == .v5 && chance() ? ReasonCode.quotaExceeded : .success
        switch Int.random(in: 0...8, using: &random) {
        case 0: return .connect(try connect())
        case 1:
            let isIn = chance()
            return .connack(
                ConnackDraft(
                    isIn ? .success : .serverUnavailable, sessionPresent: isIn && version != .v31 && chance(),
                    properties: try properties([.serverKeepAlive, .maximumQoS], [.serverReference])))
        case 2:
            let qos = UInt8.random(in: 0...2, using: &random)
            return .publish(
                Publish(
                    topic: text(1...20), payload: binary(0...400), qos: qos, identifier: qos > 0 ? identifier : 0,
                    isRetained: chance(), isDuplicate: chance(),
                    properties: try properties([.topicAlias, .subscriptionIdentifier], [.responseTopic])))
        case 3:
            return .puback(
                Puback(identifier: identifier, reason: reason, properties: try properties([], [.reasonString])))
        case 4:
            let filters = [Subscribe.Filter(text(1...9), qos: 1), .init(Array("a/+/#".utf8), qos: 2)]
            return .subscribe(
                Subscribe(
                    identifier: identifier, filters: filters, properties: try properties([.subscriptionIdentifier])))
        case 5:
            let codes = [ReasonCode(rawValue: 0), .init(rawValue: 2), .unspecifiedError]
            return .suback(
                Suback(identifier: identifier, codes: codes, properties: try properties([], [.reasonString])))
        case 6: return .pingreq
        case 7: return .pingresp
        default: return .disconnect(Disconnect(reason, properties: try properties([], [.reasonString])))
        }
    }
}

@Suite("What was written is read again")
struct PacketTests {
    @Test("parse(write(x)) == x", arguments: ProtocolVersion.allCases, [1, 2, 3] as [UInt64])
    func roundTrip(_ version: ProtocolVersion, _ seed: UInt64) throws {
        var maker = PacketMaker(random: SeededGenerator(seed: seed), version: version)
        for _ in 0..<300 {
            let packet = try maker.packet()
            let bytes = try packet.encode(version: version)
            let outcome = read(bytes + hex("C000"), version)
            #expect(outcome == .success(.packet(packet, length: bytes.count)), "seed \(seed)")
            for count in Set([0, 1, 2, 3, bytes.count / 2, bytes.count - 1]) where count < bytes.count {
                guard case .success(.needMore(let atLeast)) = read(Array(bytes[..<count]), version) else {
                    Issue.record("seed \(seed): decided with \(count) of \(bytes)")
                    return
                }
                #expect(atLeast > count && atLeast <= bytes.count)
            }
        }
    }

    @Test(
        "the bytes of the specification",
        arguments: [
            (.pingreq, .v311, "C0 00"),
            (.pingresp, .v5, "D0 00"),
            (.disconnect(Disconnect()), .v311, "E0 00"),
            (.disconnect(Disconnect()), .v5, "E0 00"),
            (.disconnect(Disconnect(.serverShuttingDown)), .v311, "E0 00"),
            (.disconnect(Disconnect(.serverShuttingDown)), .v5, "E0 02 8B 00"),
            (.puback(Puback(identifier: 258)), .v5, "40 02 0102"),
            (
                .publish(Publish(topic: hex("'a/b'"), payload: hex("'hi'"), qos: 1, identifier: 7, isRetained: true)),
                .v311,
                "33 09 0003 'a/b' 0007 'hi'"
            ),
            (.publish(Publish(topic: hex("'a'"), payload: [])), .v5, "30 04 0001 'a' 00"),
            (
                .subscribe(Subscribe(identifier: 1, filters: [.init(hex("'#'"), qos: 1)])), .v5,
                "82 07 0001 00 0001 '#' 01"
            ),
            (.suback(Suback(identifier: 1, codes: [.success])), .v311, "90 03 0001 00"),
            (.connack(ConnackDraft(sessionPresent: true)), .v311, "20 02 01 00"),
            (
                .connect(ConnectDraft(version: .v5, clientID: hex("'p'"), keepAlive: 10)), .v5,
                "10 0E 0004 'MQTT' 05 02 000A 00 0001 'p'"
            ),
        ] as [(Packet, ProtocolVersion, String)])
    func bytes(_ packet: Packet, _ version: ProtocolVersion, _ text: String) throws {
        #expect(try packet.encode(version: version) == hex(text))
    }

    @Test(
        "short forms and violations",
        arguments: [
            ("E0 01 8E", .v5, nil), ("40 03 0001 10", .v5, nil), ("30 07 0000 03 23 0001 'x'", .v5, nil),
            ("30 03 0000 00", .v5, .topic), ("30 02 0000", .v311, .topic), ("30 03 0001 '#'", .v311, .topic),
            ("32 05 0001 'a' 0000", .v311, .packetIdentifier), ("36 05 0001 'a' 0001", .v311, .fixedHeaderFlags),
            ("38 03 0001 'a'", .v311, .fixedHeaderFlags), ("82 02 0001", .v311, .emptySubscription),
            ("80 06 0001 0001 'a' 00", .v311, .fixedHeaderFlags), ("82 06 0001 0001 'a' 03", .v311, .reservedBits),
            ("82 05 0001 0000 00", .v311, .topic), ("90 03 0001 03", .v311, .reasonCode),
            ("90 02 0001", .v311, .emptySubscription),
            ("C0 01 00", .v311, .trailingBytes), ("40 02 0000", .v311, .packetIdentifier),
            ("40 03 0001 00", .v311, .trailingBytes),
            ("50 02 0001", .v311, .unexpectedPacket), ("E0 8100 00", .v5, .remainingLength),
            ("C0 FFFFFF7F", .v311, .packetTooLarge), ("C0 FFFFFFFF", .v311, .remainingLength),
        ] as [(String, ProtocolVersion, Violation?)])
    func short(_ text: String, _ version: ProtocolVersion, _ violation: Violation?) {
        let bytes = hex(text)
        switch read(bytes, version) {
        case .success(.packet(_, let length)):
            #expect(violation == nil)
            #expect(length == bytes.count)
        case .success(let outcome): Issue.record("\(outcome)")
        case .failure(let found): #expect(found == violation)
        }
    }

    @Test(
        "variable byte integers",
        arguments: [
            (0, "00"), (127, "7F"), (128, "8001"), (16_383, "FF7F"), (16_384, "808001"), (2_097_151, "FFFF7F"),
            (2_097_152, "80808001"), (268_435_455, "FFFFFF7F"),
        ])
    func variable(_ value: Int, _ text: String) {
        let bytes = hex(text)
        var written: [UInt8] = []
        VariableByteInteger.append(value, to: &written)
        #expect(written == bytes)
        let reading = VariableByteInteger.read(bytes.span, at: 0)
        #expect(reading == .value(value, length: bytes.count, isMinimal: true))
        let short = VariableByteInteger.read(bytes.span, at: bytes.count)
        #expect(short == .needMore)
    }

    @Test func `Longer than needed is seen, a fifth byte is malformed`() {
        let long = hex("8000")
        let reading = VariableByteInteger.read(long.span, at: 0)
        #expect(reading == .value(0, length: 2, isMinimal: false))
        let five = hex("8080808001")
        let malformed = VariableByteInteger.read(five.span, at: 0)
        #expect(malformed == .malformed)
    }
}
