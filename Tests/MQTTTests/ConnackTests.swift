// The server's answer: read in any chunking, judged for a replay, and written.

import MQTT
import Testing

@Suite("A CONNACK is read whatever follows it")
struct ConnackTests {
    static let answers: [(String, ProtocolVersion, ReasonCode, Connack.Disposition)] = [
        ("20 02 00 00", .v31, .success, .accepted),
        ("20 02 00 00", .v311, .success, .accepted),
        ("20 02 01 00", .v311, .success, .accepted),
        ("20 02 00 01", .v311, .unsupportedProtocolVersion, .refused),
        ("20 02 00 02", .v311, .clientIdentifierNotValid, .refused),
        ("20 02 00 03", .v31, .serverUnavailable, .tryAnother),
        ("20 02 00 03", .v311, .serverUnavailable, .tryAnother),
        ("20 02 00 04", .v311, .badUserNameOrPassword, .refused),
        ("20 02 00 05", .v311, .notAuthorized, .refused),
        ("20 03 01 00 00", .v5, .success, .accepted),
        ("20 03 00 80 00", .v5, .unspecifiedError, .refused),
        ("20 03 00 84 00", .v5, .unsupportedProtocolVersion, .refused),
        ("20 03 00 86 00", .v5, .badUserNameOrPassword, .refused),
        ("20 03 00 88 00", .v5, .serverUnavailable, .tryAnother),
        ("20 03 00 89 00", .v5, .serverBusy, .tryAnother),
        ("20 03 00 8A 00", .v5, .banned, .refused),
        ("20 03 00 8B 00", .v5, .serverShuttingDown, .tryAnother),
        ("20 03 00 97 00", .v5, .quotaExceeded, .tryAnother),
        ("20 08 00 9C 05 1C 0002 'b2'", .v5, .useAnotherServer, .tryAnother),
        ("20 03 00 9D 00", .v5, .serverMoved, .tryAnother),
        ("20 03 00 9F 00", .v5, .connectionRateExceeded, .tryAnother),
        // A server of 3.x that does not know 5.0.
        ("20 02 00 01", .v5, .unsupportedProtocolVersion, .refused),
    ]

    @Test(arguments: answers)
    func answer(_ text: String, _ version: ProtocolVersion, _ reason: ReasonCode, _ what: Connack.Disposition) throws {
        let bytes = hex(text)
        for count in 0..<bytes.count {
            guard case .success(.needMore(let atLeast)) = readConnack(Array(bytes[..<count]), version) else {
                Issue.record("decided with \(count) bytes")
                return
            }
            #expect(atLeast > count && atLeast <= bytes.count)
        }
        for glue in ["", "D000", "30 03 0001 'a'", "00", "20020003"] {
            guard case .success(.connack(let connack, let length)) = readConnack(bytes + hex(glue), version) else {
                Issue.record("not read with \(glue) behind it")
                return
            }
            #expect(length == bytes.count)
            #expect(connack.reason == reason)
            #expect(connack.disposition == what)
            #expect(connack.sessionPresent == (bytes[2] == 1))
            #expect(connack.code == bytes[3])
        }
    }

    @Test func `The properties a balancer needs`() throws {
        let bytes = hex(
            "20 27 00 00 24 11 00000078 13 001E 12 0004'auto' 1C 0004'b:18' 1F 0002'ok' 27 0000FFFF 24 01 2A 00 D000")
        guard case .success(.connack(let connack, length: 41)) = readConnack(bytes, .v5) else {
            Issue.record("not read: \(readConnack(bytes, .v5))")
            return
        }
        #expect(connack.serverKeepAlive == 30)
        #expect(connack.sessionExpiry == 120)
        #expect(connack.maximumPacketSize == 65_535)
        #expect(connack.assignedClientIdentifier?.text(in: bytes.span) == "auto")
        #expect(connack.serverReference?.text(in: bytes.span) == "b:18")
        #expect(connack.reasonString?.text(in: bytes.span) == "ok")
    }

    static let garbage: [(String, ProtocolVersion, Violation)] = [
        ("'HTTP/1.1 400'", .v311, .notMQTT),
        ("21 02 00 00", .v311, .notMQTT),
        ("D0 00", .v311, .unexpectedPacket),
        ("F0 02 18 00", .v311, .unexpectedPacket),
        ("20 03 00 00 00", .v311, .trailingBytes),
        ("20 01 00", .v311, .truncated),
        ("20 02 02 00", .v311, .reservedBits),
        ("20 02 00 06", .v311, .reasonCode),
        ("20 FFFFFFFF 01", .v311, .remainingLength),
        ("20 FFFFFF7F", .v5, .packetTooLarge),
        ("20 8300 00 00 00", .v5, .remainingLength),
        ("20 02 00 00", .v5, .truncated),
        ("20 03 00 01 00", .v5, .reasonCode),
        ("20 03 00 00 05", .v5, .propertyLength),
        ("20 04 00 00 00 00", .v5, .trailingBytes),
        ("20 06 00 00 03 21 0000", .v5, .propertyValue),
        ("20 09 00 00 06 13 0001 13 0001", .v5, .propertyDuplicate),
        ("20 08 00 00 05 11 0000 00", .v5, .truncated),
        ("20 05 00 00 02 7F 00", .v5, .propertyUnknown),
        ("20 05 00 00 02 17 00", .v5, .propertyNotAllowed),
    ]

    @Test(arguments: garbage)
    func refused(_ text: String, _ version: ProtocolVersion, _ violation: Violation) {
        if violation == .truncated, text.hasPrefix("20 08") {
            // One byte short of its own length: still awaited.
            #expect(readConnack(hex(text), version) == .success(.needMore(atLeast: 10)))
        } else {
            #expect(readConnack(hex(text), version) == .failure(violation))
        }
    }

    @Test func `AUTH before CONNACK belongs to the client of 5 0`() {
        #expect(readConnack(hex("F0"), .v5) == .success(.authentication))
    }

    @Test func `A refusal of ours respects the client's maximum packet size`() {
        let short = Connack.refusal(.serverBusy, version: .v5)
        #expect(short == hex("20 03 00 89 00"))
        let told = Connack.refusal(.useAnotherServer, version: .v5, text: "drain", serverReference: "b2")
        #expect(told == hex("20 10 00 9C 0D 1C 0002 'b2' 1F 0005 'drain'"))
        let reference = Connack.refusal(
            .useAnotherServer, version: .v5, text: "drain", serverReference: "b2", maximumPacketSize: 12)
        #expect(reference == hex("20 08 00 9C 05 1C 0002 'b2'"))
        let none = Connack.refusal(
            .useAnotherServer, version: .v5, text: "drain", serverReference: "b2", maximumPacketSize: 5)
        #expect(none == hex("20 03 00 9C 00"))
        let huge = String(repeating: "x", count: 70_000)
        #expect(Connack.refusal(.serverBusy, version: .v5, text: huge) == short)
    }

    @Test func `In 3 x a reason becomes the return code EMQX gives`() {
        let table: [(ReasonCode, UInt8)] = [
            (.success, 0), (.unspecifiedError, 1), (.malformedPacket, 1), (.protocolError, 1),
            (.unsupportedProtocolVersion, 1), (.clientIdentifierNotValid, 2), (.badUserNameOrPassword, 4),
            (.notAuthorized, 5), (.banned, 5), (.badAuthenticationMethod, 5), (.serverUnavailable, 3),
            (.serverBusy, 3), (.serverShuttingDown, 3), (.quotaExceeded, 3), (.useAnotherServer, 3),
            (.serverMoved, 3), (.connectionRateExceeded, 3),
        ]
        for (reason, code) in table {
            #expect(Connack.refusal(reason, version: .v311) == [0x20, 2, 0, code])
            #expect(!reason.name.hasPrefix("reason-"))
        }
        #expect(ReasonCode(rawValue: 0x0A).name == "reason-0x0A")
        #expect(ReasonCode(returnCode: 6) == nil)
    }
}
