// DNS: the question as RFC 1035 has it, answers whole, cut, hostile.

import Testing

@testable import Wire

@Suite("A question for a name")
struct NameQuestionTests {
    private let question = NameQuestion("emqx.example", family: .ipv4, identifier: 0xBEEF)

    private static let header: [UInt8] = [0xBE, 0xEF, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]
    private static let name: [UInt8] = [4] + Array("emqx".utf8) + [7] + Array("example".utf8) + [0]
    private static let asked = name + [0, 1, 0, 1]
    /// An alias and an address, both with a pointer for their name.
    private static let records: [UInt8] =
        [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 0x78, 0xC0, 12] + [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 7]

    @Test func message() throws {
        let question = try #require(question)
        #expect(question.message == [0xBE, 0xEF, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + Self.asked)
        #expect(NameQuestion("", family: .ipv4, identifier: 1) == nil)
        #expect(NameQuestion("a..b", family: .ipv4, identifier: 1) == nil)
        #expect(NameQuestion(String(repeating: "a", count: 64), family: .ipv4, identifier: 1) == nil)
        #expect(NameQuestion(String(repeating: "abc.", count: 80), family: .ipv4, identifier: 1) == nil)
    }

    @Test func answer() throws {
        let question = try #require(question)
        let whole = Self.header + Self.asked + Self.records
        #expect(question.answer(whole) == .addresses([.v4(IPv4Address(10, 0, 0, 7))]))
        var other = whole
        other[1] = 0
        #expect(question.answer(other) == nil)
        var failed = whole
        failed[3] = 0x83
        #expect(question.answer(failed) == .failed(code: 3))
        var wrongName = whole
        wrongName[13] = UInt8(ascii: "x")
        #expect(question.answer(wrongName) == nil)
        var upper = whole
        upper[13] = UInt8(ascii: "E")
        #expect(question.answer(upper) == question.answer(whole))
    }

    @Test("an answer that was cut is none, whatever of it came")
    func truncated() throws {
        let question = try #require(question)
        var header = Self.header
        header[2] |= 0x02
        #expect(question.answer(header + Self.asked + Self.records) == .truncated)
        header[7] = 0
        #expect(question.answer(header + Self.asked) == .truncated)
        header[3] = 0x82
        #expect(question.answer(header + Self.asked) == .failed(code: 2))
    }

    @Test("whatever is incomplete or broken never traps, and says nothing")
    func hostile() throws {
        let question = try #require(question)
        let whole = Self.header + Self.asked + Self.records
        for length in whole.indices { #expect(question.answer(Array(whole[..<length])) == nil, "\(length)") }
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random) }
            if case .addresses(let addresses) = question.answer(bytes) { #expect(addresses.count <= 2) }
        }
    }
}
