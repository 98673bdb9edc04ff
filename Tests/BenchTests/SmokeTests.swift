// What a smoke test says and concludes, without a connection.

import MQTT
import Testing
import Wire

@testable import Bench

@Suite("A smoke test")
struct SmokeTests {
    private static func make() -> SmokeTest {
        SmokeTest(
            SmokeTest.Settings(clientID: Array("me".utf8), topic: Array("t".utf8), payload: Array("hello".utf8)),
            at: .zero)
    }

    private static func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    /// A test that has come to its PUBLISH.
    private static func published() -> SmokeTest {
        var test = make()
        _ = test.handle(.reached, at: at(1))
        _ = test.handle(.opened(nil), at: at(1))
        _ = test.handle(.packet(.connack(ConnackDraft())), at: at(2))
        _ = test.handle(.packet(.suback(Suback(identifier: 1, codes: [ReasonCode(rawValue: 1)]))), at: at(3))
        return test
    }

    private static let message = Publish(topic: Array("t".utf8), payload: Array("hello".utf8), qos: 1, identifier: 9)

    @Test("goes step by step, and is good when its message was acknowledged and came back", arguments: [true, false])
    func good(acknowledgedFirst: Bool) {
        var test = Self.make()
        #expect(test.handle(.reached, at: Self.at(1)).findings.map(\.step) == [.reach])
        let opened = test.handle(.opened("TLSv1.3"), at: Self.at(2))
        #expect(opened.findings.map(\.words) == ["TLSv1.3"])
        guard case .connect(let connect)? = opened.send.first else {
            Issue.record("no CONNECT")
            return
        }
        #expect(connect.clientID == Array("me".utf8))
        guard case .subscribe? = test.handle(.packet(.connack(ConnackDraft())), at: Self.at(3)).send.first else {
            Issue.record("no SUBSCRIBE")
            return
        }
        let granted = test.handle(.packet(.suback(Suback(identifier: 1, codes: [ReasonCode(rawValue: 1)]))), at: Self.at(4))
        guard case .publish(let publish)? = granted.send.first else {
            Issue.record("no PUBLISH")
            return
        }
        #expect(publish.topic == Array("t".utf8) && publish.payload == Array("hello".utf8) && publish.qos == 1)
        let events: [SmokeTest.Event] = [.packet(.puback(Puback(identifier: 2))), .packet(.publish(Self.message))]
        var last = SmokeTest.Actions()
        for (number, event) in (acknowledgedFirst ? events : events.reversed()).enumerated() {
            #expect(last.isGood == nil)
            last = test.handle(event, at: Self.at(5 + Int64(number)))
        }
        #expect(last.isGood == true && last.send.last == .disconnect(Disconnect()))
        #expect(last.findings.last?.after == .milliseconds(6))
        #expect(test.nextDeadline == nil && test.handle(.closed("gone"), at: Self.at(9)).findings.isEmpty)
    }

    @Test("says at which step it failed, and why")
    func bad() {
        var early = Self.make()
        let refused = early.handle(.closed("Connection refused"), at: Self.at(1))
        #expect(refused.isGood == false && refused.findings.map(\.step) == [.reach])
        var unwelcome = Self.make()
        _ = unwelcome.handle(.reached, at: Self.at(1))
        _ = unwelcome.handle(.opened(nil), at: Self.at(1))
        let answer = unwelcome.handle(.packet(.connack(ConnackDraft(.notAuthorized))), at: Self.at(2))
        #expect(answer.isGood == false && answer.findings.first?.words == "refused: not-authorized")
        var forbidden = Self.published()
        let reply = Packet.puback(Puback(identifier: 2, reason: .notAuthorized))
        #expect(forbidden.handle(.packet(reply), at: Self.at(5)).findings.first?.step == .publish)
        var mixed = Self.published()
        var other = Self.message
        other.payload = [1]
        #expect(mixed.handle(.packet(.publish(other)), at: Self.at(5)).findings.first?.step == .receive)
    }

    @Test("ends at its deadline, and lets other topics pass")
    func silent() {
        var test = Self.published()
        var stray = Self.message
        stray.topic = Array("other".utf8)
        #expect(test.handle(.packet(.publish(stray)), at: Self.at(5)).isGood == nil)
        #expect(test.handle(.timer, at: Self.at(9_999)).isGood == nil)
        #expect(test.nextDeadline == Self.at(10_000))
        let end = test.handle(.timer, at: Self.at(10_000))
        #expect(end.isGood == false && end.findings.first?.words == "no answer in time")
    }
}
