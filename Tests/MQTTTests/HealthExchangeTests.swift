// The MQTT health check as dialogues: event, then actions.

import MQTT
import Testing
import Wire

@Suite("A health check ends with one verdict")
struct HealthExchangeTests {
    private let start = Instant.zero
    private let deadline = Instant.zero + .seconds(1)

    private func exchange(_ version: ProtocolVersion) throws -> HealthExchange {
        try HealthExchange(ConnectDraft(version: version, clientID: hex("'probe-1'"), keepAlive: 5), deadline: deadline)
    }

    typealias Verdict = HealthExchange.Verdict
    static let answers: [(String, ProtocolVersion, Verdict)] = [
        ("20 02 00 00", .v31, .alive(.success)),
        ("20 02 00 00", .v311, .alive(.success)),
        ("20 02 00 00 30 03 0001 'a'", .v311, .alive(.success)),
        ("20 02 00 04", .v311, .alive(.badUserNameOrPassword)),
        ("20 02 00 05", .v311, .alive(.notAuthorized)),
        ("20 02 00 02", .v311, .alive(.clientIdentifierNotValid)),
        ("20 02 00 03", .v311, .draining(.serverUnavailable)),
        ("20 02 00 01", .v311, .failed(.refused(.unsupportedProtocolVersion))),
        ("20 03 00 00 00", .v5, .alive(.success)),
        ("20 03 00 87 00", .v5, .alive(.notAuthorized)),
        ("20 03 00 8A 00", .v5, .alive(.banned)),
        ("20 03 00 88 00", .v5, .draining(.serverUnavailable)),
        ("20 03 00 89 00", .v5, .draining(.serverBusy)),
        ("20 03 00 9C 00", .v5, .draining(.useAnotherServer)),
        ("20 03 00 80 00", .v5, .failed(.refused(.unspecifiedError))),
        ("20 02 00 01", .v5, .failed(.refused(.unsupportedProtocolVersion))),
        ("F0 02 18 00", .v5, .failed(.garbage(.unexpectedPacket))),
        ("'HTTP/1.1 400 Bad Request'", .v311, .failed(.garbage(.notMQTT))),
        ("20 FFFFFF7F", .v5, .failed(.garbage(.packetTooLarge))),
    ]

    @Test(arguments: answers)
    func answer(_ text: String, _ version: ProtocolVersion, _ verdict: Verdict) throws {
        let bytes = hex(text)
        let isIn = verdict == .alive(.success)
        let last = HealthExchange.Actions(send: isIn ? hex("E000") : [], verdict: verdict, close: true)

        var whole = try exchange(version)
        #expect(whole.nextDeadline == deadline)
        let sent = whole.handle(.connected, at: start).send
        let connect = try #require(acceptedConnect(in: sent))
        #expect(connect.version == version && connect.isCleanStart && connect.keepAlive == 5 && connect.will == nil)
        #expect(connect.clientID.text(in: sent.span) == "probe-1")
        #expect(whole.handle(.received(bytes), at: start) == last)
        #expect(whole.nextDeadline == nil)

        var single = try exchange(version)
        _ = single.handle(.connected, at: start)
        var verdicts: [HealthExchange.Actions] = []
        for byte in bytes {
            let actions = single.handle(.received([byte]), at: start)
            if actions != HealthExchange.Actions() { verdicts.append(actions) }
        }
        #expect(verdicts == [last])
        for event in [HealthExchange.Event.closed, .timer, .connected, .received(bytes)] {
            #expect(single.handle(event, at: deadline) == HealthExchange.Actions(), "a verdict is given once")
        }
    }

    @Test func `Deadlines`() throws {
        var slow = try exchange(.v311)
        #expect(slow.handle(.timer, at: start) == HealthExchange.Actions())
        let connecting = slow.handle(.timer, at: deadline)
        #expect(connecting == HealthExchange.Actions(verdict: .failed(.connectTimeout), close: true))

        var late = try exchange(.v311)
        #expect(late.handle(.connected, at: deadline).verdict == .failed(.connectTimeout))

        var silent = try exchange(.v5)
        _ = silent.handle(.connected, at: start)
        #expect(silent.handle(.received(hex("20 03")), at: start) == HealthExchange.Actions())
        #expect(silent.handle(.timer, at: start) == HealthExchange.Actions())
        #expect(silent.handle(.timer, at: deadline).verdict == .failed(.answerTimeout))

        var tooLate = try exchange(.v311)
        _ = tooLate.handle(.connected, at: start)
        #expect(tooLate.handle(.received(hex("20020000")), at: deadline).verdict == .failed(.answerTimeout))
    }

    @Test func `A server that closes, or talks first`() throws {
        var refused = try exchange(.v311)
        #expect(refused.handle(.closed, at: start).verdict == .failed(.closed))
        var dying = try exchange(.v311)
        _ = dying.handle(.connected, at: start)
        #expect(dying.handle(.connected, at: start) == HealthExchange.Actions())
        #expect(dying.handle(.closed, at: start).verdict == .failed(.closed))
        var eager = try exchange(.v311)
        #expect(eager.handle(.received(hex("20020000")), at: start).verdict == .failed(.garbage(.unexpectedPacket)))
        #expect(HealthExchange.Failure.garbage(.notMQTT).name == "garbage-not-mqtt")
        #expect(HealthExchange.Failure.refused(.serverBusy).name == "refused-server-busy")
    }
}
