// Mutated files never trap and always end: seeds, not luck.

import Testing
import Wire

@testable import Configuration

@Suite("A file that chance has changed")
struct FuzzTests {
    /// Pieces that matter to the lexer, the parser and the table.
    private static let pieces: [[UInt8]] =
        [
            "{", "}", ";", "\"", "\\", "#", "\n", " ", "\t", "\r", "，", "\u{3000}", "“", "\u{FEFF}",
            "99999999999999999999",
            "255", "0", "-1", "1.5.5s", "9223372036854775807d", "0.999999d", "::", "[::]:1", "*:0", "include x\n",
            "timeout", "vrrp x {", "node lb1 {", "priority 0", "server", "address 0.0.0.0/0", "address ::/0", "limit",
        ].map { Array($0.utf8) } + [[0x00], [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80]]

    private func mutate(_ bytes: inout [UInt8], with random: inout SeededGenerator) {
        let index = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: index)
        case 1: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 0...20, using: &random)))
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 3:
            let end = min(bytes.count, index + Int.random(in: 0...60, using: &random))
            let copy = Array(bytes[index..<end])
            bytes.insert(contentsOf: copy, at: Int.random(in: 0...bytes.count, using: &random))
        default: if index < bytes.count { bytes[index] = UInt8.random(in: 0...255, using: &random) }
        }
    }

    @Test(arguments: 0..<16)
    func `is good or has messages, and both can be printed`(_ seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        let valid = [Array(Files.everything.utf8), try Files.shipped("understudy.conf").bytes]
        for round in 0..<40 {
            var bytes = valid[round % valid.count]
            for _ in 0..<Int.random(in: 1...12, using: &random) { mutate(&bytes, with: &random) }
            let outcome = Checker.check(Source(name: "fuzz.conf", bytes: bytes), as: Files.lb1) {
                path throws(IncludeFailure) in
                if path == "x" { return bytes }
                throw IncludeFailure("not here")
            }
            #expect(outcome.diagnostics.count <= SourceLimits.diagnostics + 1)
            let hasErrors = outcome.diagnostics.contains { $0.severity == .error }
            #expect((outcome.configuration == nil) == hasErrors)
            #expect(outcome.diagnostics.isEmpty == outcome.text.isEmpty)
            #expect(!outcome.json.text.isEmpty)
            if let configuration = outcome.configuration {
                // What is good stays the same when it is written out.
                let again = Checker.check(Source(name: "again.conf", text: configuration.text), as: Files.lb1)
                #expect(again.configuration == configuration, "seed \(seed), round \(round)\n\(again.text)")
            }
        }
    }

    @Test(arguments: 0..<8)
    func `is noise and is refused`(_ seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed) + 1000)
        var bytes: [UInt8] = []
        for _ in 0..<400 {
            if Bool.random(using: &random) {
                bytes += Self.pieces.randomElement(using: &random) ?? []
            } else {
                bytes.append(UInt8.random(in: 0...255, using: &random))
            }
        }
        let outcome = Checker.check(Source(name: "noise.conf", bytes: bytes), as: Host())
        #expect(outcome.configuration == nil)
        #expect(!outcome.text.isEmpty)
    }

    @Test func `is cut at every byte`() {
        let bytes = Array(Files.everything.utf8)
        for count in 0..<bytes.count {
            let outcome = Checker.check(Source(name: "cut.conf", bytes: Array(bytes.prefix(count))), as: Files.lb1)
            #expect((outcome.configuration == nil) == outcome.diagnostics.contains { $0.severity == .error })
        }
    }
}
