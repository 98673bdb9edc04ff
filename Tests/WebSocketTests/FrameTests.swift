// Frames: the RFC's examples, a table in Autobahn's manner, round trips and hostile bytes.

import Testing
import WebSocket
import Wire

@Suite("WebSocket frames")
struct FrameTests {
    /// RFC 6455, 5.7; its text frames are binary ones here, as MQTT asks.
    @Test func `The RFC's examples`() {
        let hello = Array("Hello".utf8)
        #expect(hearAnyCut(hex("82 05 48656c6c6f"), fromServer) == Heard(data: hello))
        #expect(hearAnyCut(hex("82 85 37fa213d 7f9f4d5158"), fromClient) == Heard(data: hello))
        #expect(hearAnyCut(hex("02 03 48656c 80 02 6c6f"), fromServer) == Heard(data: hello))
        #expect(hearAnyCut(hex("89 05 48656c6c6f"), fromServer) == Heard(pings: [hello]))
        #expect(hearAnyCut(hex("8a 85 37fa213d 7f9f4d5158"), fromClient) == Heard(pongs: 1))
        #expect(hearAnyCut(hex("81 05 48656c6c6f"), fromServer) == Heard(violation: .textFrame))
        #expect(hearAnyCut(hex("81 85 37fa213d 7f9f4d5158"), fromClient) == Heard(violation: .textFrame))
        for (count, header) in [(256, "82 7E 0100"), (65_536, "82 7F 0000000000010000")] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
            #expect(Frame.encode(.binary, payload) == hex(header) + payload)
            #expect(hear(hex(header) + payload, fromServer) { 1000 } == Heard(data: payload))
        }
        #expect(Frame.encode(.binary, hello, mask: 0x37FA_213D) == hex("82 85 37fa213d 7f9f4d5158"))
        #expect(Frame.encode(.pong, hello, mask: 0x37FA_213D) == hex("8a 85 37fa213d 7f9f4d5158"))
        #expect(Frame.encode(.ping, hello) == hex("89 05 48656c6c6f"))
    }

    /// One case of a server's frames, after Autobahn's test suite (its numbers in the names).
    @Test(
        "cases",
        arguments: [
            ("1.2.1 empty", "82 00", Heard()),
            ("1.2.2 125 bytes", "82 01 41", Heard(data: [0x41])),
            ("2.1 ping without payload", "89 00", Heard(pings: [[]])),
            ("2.2 ping", "89 02 4142", Heard(pings: [[0x41, 0x42]])),
            ("2.5 ping too long", "89 7E 007E", Heard(violation: .controlTooLong)),
            ("2.7 pong unasked for", "8A 00 8A 01 41", Heard(pongs: 2)),
            (
                "2.10 ten pings", String(repeating: "89 01 41 ", count: 10),
                Heard(pings: [[UInt8]](repeating: [0x41], count: 10))
            ),
            ("3.1 RSV3", "92 00", Heard(violation: .reservedBits)),
            ("3.2 RSV2 after data", "82 01 41 A2 00", Heard(data: [0x41], violation: .reservedBits)),
            ("3.3 RSV1: compressed", "C2 00", Heard(violation: .reservedBits)),
            ("3.4 RSV on a ping", "C9 00", Heard(violation: .reservedBits)),
            ("4.1.1 opcode 3", "83 00", Heard(violation: .opcode)),
            ("4.1.5 opcode 7", "87 00", Heard(violation: .opcode)),
            ("4.2.1 opcode 11", "8B 00", Heard(violation: .opcode)),
            ("4.2.5 opcode 15", "8F 00", Heard(violation: .opcode)),
            ("5.1 ping in fragments", "09 01 41 80 01 42", Heard(violation: .controlFragmented)),
            ("5.2 pong in fragments", "0A 00", Heard(violation: .controlFragmented)),
            ("5.3 two fragments", "02 01 41 80 01 42", Heard(data: [0x41, 0x42])),
            ("5.6 ping between fragments", "02 01 41 89 01 50 80 01 42", Heard(data: [0x41, 0x42], pings: [[0x50]])),
            ("5.9 continuation of nothing", "80 01 41", Heard(violation: .continuationWithoutStart)),
            ("5.12 continuation of nothing, not the last", "00 01 41", Heard(violation: .continuationWithoutStart)),
            (
                "5.15 continuation after the last", "02 01 41 80 00 80 00",
                Heard(data: [0x41], violation: .continuationWithoutStart)
            ),
            ("5.18 message within a message", "02 01 41 82 01 42", Heard(data: [0x41], violation: .startWithinMessage)),
            ("5.x text within a message", "02 01 41 01 01 42", Heard(data: [0x41], violation: .textFrame)),
            (
                "5.19 fragments, pings and a pause", "02 00 00 01 41 89 00 00 00 89 00 80 01 42",
                Heard(data: [0x41, 0x42], pings: [[], []])
            ),
            ("5.x left open", "02 01 41", Heard(data: [0x41], isWhole: false)),
            ("a header cut short", "82 7E 01", Heard(isWhole: false)),
            ("a payload cut short", "82 03 41", Heard(data: [0x41], isWhole: false)),
            ("7.1.1 close", "82 01 41 88 02 03E8", Heard(data: [0x41], close: [3, 0xE8], isWhole: false)),
            ("7.1.3 ping after close", "88 00 89 00", Heard(close: [], isWhole: false)),
            ("7.1.4 anything after close", "88 00 FF FF 00", Heard(close: [], isWhole: false)),
            ("7.1.5 close within a message", "02 01 41 88 00", Heard(data: [0x41], close: [], isWhole: false)),
            ("7.3.1 close without payload", "88 00", Heard(close: [], isWhole: false)),
            ("7.3.2 close with one byte", "88 01 03", Heard(violation: .closePayload)),
            ("7.3.4 close with a reason", "88 04 03E8 6F6B", Heard(close: hex("03E86F6B"), isWhole: false)),
            ("7.3.6 close too long", "88 7E 007E", Heard(violation: .controlTooLong)),
            ("7.5.1 reason that is no UTF-8", "88 04 03E8 CEBA", Heard(close: hex("03E8CEBA"), isWhole: false)),
            ("7.5.1 reason cut in a character", "88 03 03E8 CE", Heard(violation: .closeReason)),
            ("7.5.1 reason with a surrogate", "88 05 03E8 EDA080", Heard(violation: .closeReason)),
            ("8-byte length with its highest bit", "82 7F 8000000000000000", Heard(violation: .lengthTooLarge)),
            ("2-byte length of 125", "82 7E 007D", Heard(violation: .lengthNotMinimal)),
            ("8-byte length of 65535", "82 7F 000000000000FFFF", Heard(violation: .lengthNotMinimal)),
            ("longer than MQTT's longest", "82 7F 0000000010000005", Heard(violation: .frameTooLarge)),
            ("a mask from a server", "82 81", Heard(violation: .masked)),
        ] as [(String, String, Heard)])
    func table(_ name: String, _ stream: String, _ expected: Heard) {
        #expect(hearAnyCut(hex(stream), fromServer) == expected)
    }

    @Test(
        "close codes",
        arguments: [
            (0, false), (999, false), (1000, true), (1001, true), (1002, true), (1003, true), (1004, false),
            (1005, false), (1006, false), (1007, true), (1011, true), (1012, true), (1013, true), (1014, true),
            (1015, false), (1016, false), (1100, false), (2000, false), (2999, false), (3000, true), (4999, true),
            (5000, false), (65_535, false),
        ])
    func closeCodes(_ code: Int, _ isSendable: Bool) {
        let payload = [UInt8(code >> 8), UInt8(code & 255)]
        let heard = hearAnyCut([0x88, 2] + payload, fromServer)
        #expect(heard.close == (isSendable ? payload : nil))
        #expect(heard.violation == (isSendable ? nil : .closeCode))
    }

    @Test func `A client's frames are masked`() {
        #expect(hearAnyCut(hex("82 05 48"), fromClient) == Heard(violation: .notMasked))
        #expect(hearAnyCut(hex("89 00"), fromClient) == Heard(violation: .notMasked))
        #expect(hearAnyCut(hex("89 80 01020304"), fromClient) == Heard(pings: [[]]))
        // Refused at the byte that says so.
        #expect(hear(hex("82 7E"), fromClient) { 1 } == Heard(violation: .notMasked))
        let limited = FramePolicy(isPeerClient: true, maximumFrame: 300)
        #expect(hearAnyCut(hex("82 FE 012D"), limited) == Heard(violation: .frameTooLarge))
        #expect(hearAnyCut(hex("82 FE 012C"), limited) == Heard(isWhole: false))
    }

    @Test func `Pings and closes are answered with what was sent`() throws {
        func control(_ bytes: [UInt8]) throws -> FrameReader.Event {
            var bytes = bytes
            var reader = FrameReader(policy: fromServer)
            var span = bytes.mutableSpan
            return try reader.next(&span, from: 0).event
        }
        guard case .ping(let ping) = try control(hex("89 03 010203")),
            case .close(let close) = try control(hex("88 04 0FA0 6F6B")),
            case .close(let silent) = try control(hex("88 00"))
        else {
            Issue.record("no control frames")
            return
        }
        #expect(Frame.answer(to: ping) == hex("8A 03 010203"))
        #expect(Frame.answer(to: ping, mask: 0x0101_0101) == hex("8A 83 01010101 000302"))
        #expect(Frame.answer(to: close) == hex("88 02 0FA0"))
        #expect(Frame.answer(to: silent) == hex("88 00"))
        #expect(close.closeCode == CloseCode(rawValue: 4000) && close.closeReason == "ok" && silent.closeCode == nil)
        #expect(ping.closeCode == nil && ping.closeReason.isEmpty)
    }

    @Test func `Close frames of ours`() {
        #expect(Frame.close(.goingAway) == hex("88 02 03E9"))
        #expect(Frame.close(.goingAway, reason: "bye") == hex("88 05 03E9 'bye'"))
        let long = Frame.close(.normal, reason: String(repeating: "é", count: 100))
        #expect(long.count == 126 && long[1] == 124)
        #expect(hearAnyCut(long, fromServer).violation == nil)
    }

    @Test func `A header stands before its payload`() {
        var bytes = [UInt8](repeating: 0xEE, count: 12) + hex("'abc'")
        var span = bytes.mutableSpan
        let header = FrameHeader(.binary, length: 3, mask: 0)
        header.write(into: &span, before: 12)
        #expect(bytes == [UInt8](repeating: 0xEE, count: 6) + hex("82 83 00000000 'abc'"))
        #expect(FrameHeader(.binary, length: 65_535).count == FrameHeader.usual.unmasked)
        #expect(FrameHeader(.binary, length: 65_535, mask: 1).count == FrameHeader.usual.masked)
        #expect(FrameHeader(.binary, length: .max, mask: 1).count == FrameHeader.longest)
    }

    @Test func `A reader is plain data of a bounded size`() {
        #expect(MemoryLayout<FrameReader>.size <= 200)
    }

    private struct Script {
        var stream: [UInt8] = []
        var heard = Heard()
    }

    /// A stream of messages in fragments with control frames among them.
    private func script(_ random: inout SeededGenerator, isClient: Bool) -> Script {
        var script = Script()
        func mask() -> UInt32? { isClient ? UInt32.random(in: 0 ... .max, using: &random) : nil }
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let fragments = Int.random(in: 1...4, using: &random)
            for fragment in 1...fragments {
                let payload = bytes([0, 1, 3, 4, 5, 124, 125, 126, 127, 500].randomElement(using: &random) ?? 0)
                script.heard.data += payload
                script.stream += Frame.encode(
                    fragment == 1 ? .binary : .continuation, payload, isFinal: fragment == fragments, mask: mask())
                switch Int.random(in: 0...3, using: &random) {
                case 0:
                    let ping = bytes(Int.random(in: 0...125, using: &random))
                    script.heard.pings.append(ping)
                    script.stream += Frame.encode(.ping, ping, mask: mask())
                case 1:
                    script.heard.pongs += 1
                    script.stream += Frame.encode(.pong, bytes(3), mask: mask())
                default: break
                }
            }
        }
        return script
    }

    @Test("what is written is read, however it is cut", arguments: 1...6 as ClosedRange<UInt64>, [true, false])
    func roundTrip(_ seed: UInt64, _ isClient: Bool) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<20 {
            let script = script(&random, isClient: isClient)
            #expect(hearAnyCut(script.stream, isClient ? fromClient : fromServer) == script.heard, "seed \(seed)")
        }
    }

    @Test("mutated frames never trap", arguments: 1...6 as ClosedRange<UInt64>)
    func mutations(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for round in 0..<300 {
            let isClient = Bool.random(using: &random)
            var stream = script(&random, isClient: isClient).stream
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let index = Int.random(in: 0..<stream.count, using: &random)
                switch Int.random(in: 0...2, using: &random) {
                case 0: stream[index] = UInt8.random(in: 0...255, using: &random)
                case 1: stream.insert(UInt8.random(in: 0...255, using: &random), at: index)
                default: if stream.count > 1 { stream.remove(at: index) }
                }
            }
            let policy = isClient ? fromClient : fromServer
            let whole = hear(stream, policy) { stream.count }
            let pieces = hear(stream, policy) { Int.random(in: 1...50, using: &random) }
            #expect(whole == pieces, "seed \(seed), round \(round)")
            #expect(whole.data.count <= stream.count, "seed \(seed), round \(round)")
        }
    }

    @Test func `Names of violations are stable, unique and in kebab case`() {
        let names = FrameViolation.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.allSatisfy { "abcdefghijklmnopqrstuvwxyz-".contains($0) } })
        #expect(FrameViolation.allCases.allSatisfy { $0.closeCode.isSendable && !$0.rule.isEmpty })
    }
}
