// What the test broker answers, whatever the pieces its client's bytes come in.

import Bench
import MQTT
import Testing
import Wire

@Suite("The test broker")
struct BrokerConversationTests {
    private static let connect = [UInt8]([0x10, 13, 0, 4]) + Array("MQTT".utf8) + [4, 2, 0, 60, 0, 1, 0x61]
    private static let newest = [UInt8]([0x10, 14, 0, 4]) + Array("MQTT".utf8) + [5, 2, 0, 60, 0, 0, 1, 0x61]

    /// A PUBLISH to topic `t`.
    private static func publish(qos: UInt8, _ count: Int) -> [UInt8] {
        var body: [UInt8] = [0, 1, 0x74]
        if qos > 0 { body += [0x12, 0x34] }
        body += [UInt8](repeating: 9, count: count)
        var length: [UInt8] = []
        var rest = body.count
        repeat {
            length.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return [0x30 | qos << 1] + length + body
    }

    /// The answers to a stream in pieces of one size.
    private static func answers(_ stream: [UInt8], pieces: Int) throws -> [UInt8] {
        var conversation = BrokerConversation()
        var answers: [UInt8] = []
        var offset = 0
        while offset < stream.count {
            let end = min(stream.count, offset + pieces)
            try conversation.take(Array(stream[offset..<end]).span, answers: &answers)
            offset = end
        }
        return answers
    }

    @Test("answers CONNECT, PINGREQ, SUBSCRIBE and QoS 1 in any pieces", arguments: [1, 2, 3, 7, 64, 1000, 100_000])
    func pieces(size: Int) throws {
        let big = Self.publish(qos: 1, 70_000)
        let stream =
            Self.connect + [0xC0, 0] + Self.publish(qos: 0, 5) + big + [0xC0, 0] + [0x82, 6, 0, 7, 0, 1, 0x74, 0]
            + Self.publish(qos: 0, 300) + Self.publish(qos: 1, 3)
        let expected: [UInt8] =
            [0x20, 2, 0, 0, 0xD0, 0, 0x40, 2, 0x12, 0x34, 0xD0, 0, 0x90, 3, 0, 7, 0] + Self.publish(qos: 0, 300)
            + [0x40, 2, 0x12, 0x34]
        #expect(try Self.answers(stream, pieces: size) == expected)
    }

    @Test("answers a client of 5.0 in its version")
    func newest() throws {
        let stream = Self.newest + [0x82, 7, 0, 7, 0, 0, 1, 0x74, 0]
        #expect(try Self.answers(stream, pieces: 4) == [0x20, 3, 0, 0, 0, 0x90, 4, 0, 7, 0, 0])
    }

    @Test("ends with DISCONNECT")
    func disconnect() {
        #expect(throws: BrokerConversation.End.disconnected) { try Self.answers(Self.connect + [0xE0, 0], pieces: 5) }
    }

    @Test(
        "ends with what no client of it says",
        arguments: [
            [0xC0, 0], connect + connect, connect + publish(qos: 2, 4), connect + [0x30, 0xFF, 0xFF, 0xFF, 0xFF],
            connect + [0x32, 3, 0, 9, 1], [0x10, 0xFF, 0xFF, 0xFF, 0x7F], connect + [0xF0, 0],
        ] as [[UInt8]])
    func nonsense(stream: [UInt8]) {
        #expect(throws: BrokerConversation.End.unexpected) { try Self.answers(stream, pieces: 3) }
    }

    @Test("never keeps more than its bound, whatever comes", arguments: [1, 2, 3, 4, 5, 6, 7, 8])
    func noise(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            var conversation = BrokerConversation()
            var answers: [UInt8] = []
            var stream = Self.connect + Self.publish(qos: 1, 40) + [0xC0, 0]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<stream.count, using: &generator)
                stream[place] = UInt8.random(in: .min ... .max, using: &generator)
            }
            do {
                for byte in stream { try conversation.take([byte].span, answers: &answers) }
            } catch {
                #expect(error == .unexpected || error == .disconnected)
            }
            #expect(answers.count < 100)
        }
    }
}
