// The same CONNECTs to haproxy's mqtt_is_valid and to us: who takes which.

import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("Generated CONNECTs, judged by haproxy too", .serialized)
struct ConnectOracleTests {
    /// A CONNECT as chance makes it, and often spoils it.
    private static func make(_ random: inout SeededGenerator) throws -> (kind: String, bytes: [UInt8]) {
        func text(_ random: inout SeededGenerator, _ most: Int) -> [UInt8] {
            (0..<Int.random(in: 1...most, using: &random)).map { _ in UInt8.random(in: 0x61...0x7A, using: &random) }
        }
        let version = ProtocolVersion.allCases.randomElement(using: &random) ?? .v311
        var draft = ConnectDraft(version: version, clientID: text(&random, 200), keepAlive: 60)
        draft.isCleanStart = Bool.random(using: &random)
        if Bool.random(using: &random) { draft.username = text(&random, 40) }
        if draft.username != nil || version == .v5, Bool.random(using: &random) { draft.password = text(&random, 300) }
        if Bool.random(using: &random) {
            draft.will = ConnectDraft.Will(
                topic: text(&random, 30), payload: text(&random, 200), qos: UInt8.random(in: 0...2, using: &random),
                isRetained: Bool.random(using: &random))
        }
        if version == .v5 {
            let choices: [[UInt8]] = [
                [0x11, 0, 0, 0, 60], [0x21, 0, 10], [0x27, 0, 1, 0, 0], [0x22, 0, 5], [0x19, 1], [0x17, 0],
            ]
            draft.properties = Properties(encoded: choices.filter { _ in Bool.random(using: &random) }.flatMap { $0 })
        }
        if Int.random(in: 0..<12, using: &random) == 0, version != .v5 { draft.isBridge = true }
        var bytes = try draft.encode()
        var kind = "\(version.text)\(draft.isBridge ? " bridge" : "")"
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            // The connect flags: will, QoS, retain, username and password without what they announce, and the reserved.
            bytes[try flagsPlace(bytes)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            kind += ", another flag"
        case 1:
            bytes[Int.random(in: 0..<min(16, bytes.count), using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            kind += ", another bit in front"
        case 2:
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            kind += ", another byte"
        case 3:
            bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
            kind += ", cut"
        case 4:
            bytes += pingreq
            kind += ", and PINGREQ"
        default: break
        }
        return (kind, bytes)
    }

    private static func flagsPlace(_ bytes: [UInt8]) throws -> Int {
        let start = bytes[1] & 0x80 == 0 ? 2 : 3
        return start + 2 + Int(bytes[start + 1]) + 1
    }

    /// Our verdict, and the rule it was refused by.
    private static func judge(_ bytes: [UInt8]) -> (isTaken: Bool, violation: Violation?) {
        do throws(Refusal) {
            if case .connect = try ConnectSniffer().sniff(bytes.span) { return (true, nil) }
            return (false, nil)
        } catch {
            return (false, error.violation)
        }
    }

    /// haproxy with its rule for MQTT, and where it listens.
    private static func oracle(_ echo: Broker) throws -> (Listener, Oracle) {
        let front = try Listener()
        let oracle = try Oracle(
            "haproxy", ["-db", "-f", "FILE"],
            """
            global
                nbthread 1
                maxconn 100
            defaults
                mode tcp
                timeout connect 10s
                timeout client 10s
                timeout server 10s
            listen mqtt
                bind fd@3
                tcp-request inspect-delay 10s
                tcp-request content reject unless { req.payload(0,0),mqtt_is_valid }
                server echo 127.0.0.1:\(echo.address.port)

            """, descriptors: [3: front.number])
        return (front, oracle)
    }

    /// The decision table: name, CONNECT, whether haproxy takes it, whether we do.
    private static let table: [(name: String, bytes: [UInt8], theirs: Bool, ours: Bool)] = {
        func packet(_ name: String, _ level: UInt8, _ flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
            let body = [0, UInt8(name.utf8.count)] + Array(name.utf8) + [level, flags, 0, 60] + payload
            return [0x10, UInt8(body.count)] + body
        }
        let dev: [UInt8] = [0, 3] + id("dev")
        return [
            ("3.1", packet("MQIsdp", 3, 2, dev), true, true), ("3.1.1", packet("MQTT", 4, 2, dev), true, true),
            ("5.0", packet("MQTT", 5, 2, [0] + dev), true, true),
            ("will QoS 1 without a will", packet("MQTT", 4, 0x0A, dev), true, false),
            ("will QoS 3 without a will", packet("MQTT", 4, 0x1A, dev), false, false),
            ("will retain without a will", packet("MQTT", 4, 0x22, dev), true, false),
            ("a password without a username", packet("MQTT", 4, 0x42, dev + [0, 1, 0x61]), true, false),
            ("mqtt in small letters", packet("mqtt", 4, 2, dev), true, false),
            ("MQIsdp of level 4", packet("MQIsdp", 4, 2, dev), true, false),
            ("MQTT of level 3", packet("MQTT", 3, 2, dev), true, false),
            ("a client ID with U+0000", packet("MQTT", 4, 2, [0, 3, 0x61, 0, 0x62]), true, false),
            ("no client ID and no clean session", packet("MQTT", 4, 0, [0, 0]), true, false),
            ("a bridge", packet("MQTT", 0x84, 2, dev), false, true),
            ("CONNECT and SUBSCRIBE", packet("MQTT", 4, 2, dev) + [0x82, 6, 0, 1, 0, 1, 0x61, 0], true, true),
            ("the reserved flag", packet("MQTT", 4, 3, dev), false, false),
            ("level 6", packet("MQTT", 6, 2, [0] + dev), false, false),
        ]
    }()

    @Test("differs from haproxy's where the table of its defects says so, and nowhere else")
    func decisions() throws {
        let echo = try Broker(.echo)
        defer { echo.stop() }
        let (front, oracle) = try Self.oracle(echo)
        defer { oracle.stop() }
        for row in Self.table {
            #expect(Self.judge(row.bytes).isTaken == row.ours, "\(row.name)")
            #expect(try Oracle.answer(row.bytes, at: front.address).isEmpty != row.theirs, "\(row.name), haproxy")
        }
    }

    @Test("haproxy takes what we take, but for what is listed")
    func haproxy() throws {
        let echo = try Broker(.echo)
        defer { echo.stop() }
        let (front, oracle) = try Self.oracle(echo)
        defer { oracle.stop() }
        var random = SeededGenerator(seed: 20_260_102)
        var verdicts = Verdicts()
        for _ in 0..<1000 {
            let (kind, bytes) = try Self.make(&random)
            let (isTaken, violation) = Self.judge(bytes)
            let theirs = try !Oracle.answer(bytes, at: front.address).isEmpty
            let reason = isTaken ? Self.takesNo(bytes) : violation.flatMap { Self.unlikeHaproxy[$0] }
            verdicts.add("\(kind) (\(violation?.name ?? "-"))", bytes, ours: isTaken, theirs: theirs, reason: reason)
        }
        verdicts.expect(atLeast: 500, refused: 100)
    }

    /// Rules that haproxy does not hold: what we refuse by them it may take.
    private static let unlikeHaproxy: [Violation: String] = [
        .willQoS: "will QoS without a will (MQTT-3.1.2-13)",
        .willFlags: "will retain without a will (MQTT-3.1.2-15)",
        .passwordWithoutUsername: "a password without a username in 3.x (MQTT-3.1.2-22)",
        .protocolName: "the name is MQTT or MQIsdp, in these letters (3.1.2.1)",
        .protocolVersion: "name and level belong together (3.1.2.2)",
        .utf8: "text is UTF-8 (1.5.4)", .utf8Null: "no U+0000 in text (MQTT-1.5.4-2)",
        .utf8Control: "no control characters in text (1.5.4)",
        .clientIdentifierEmpty: "no client ID and no clean session (MQTT-3.1.3-8)",
        .willTopic: "a will has a topic without wildcards (MQTT-4.7.1-1)",
    ]

    /// Why haproxy does not take a CONNECT that is valid.
    private static func takesNo(_ bytes: [UInt8]) -> String? {
        guard case .connect(let connect, _)? = try? ConnectSniffer().sniff(bytes.span) else { return nil }
        if connect.isBridge { return "bridges set bit 7 of the level" }
        if connect.version == .v31 { return "3.1 leaves the low bits of the first byte and loose flags undefined" }
        return nil
    }
}

