// Every reader of foreign bytes, fuzzed: first what is kept, then a fixed sequence, then chance for a while.

import Foundation
import Testing
import Wire

/// Inputs whose seed and content are told when one of them finds something. A trap ends the process: the input that did it
/// is then the content of `/tmp/understudy-fuzz-TARGET`; moved to `Tests/Corpus/TARGET`, it is judged in every run.
@Suite("Fuzzing")
struct FuzzTests {
    /// Seconds of chance for each reader of what any stranger may send; the others get a tenth. 0: none.
    private static let seconds = variable("UNDERSTUDY_FUZZ_SECONDS") ?? 5
    /// Inputs that are the same in every run.
    private static let fixedRounds = 3000
    /// The longest hexadecimal text of an input in a message, in bytes of the input.
    private static let shownBytes = 512

    private static func variable(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test("every reader stands whatever it is given", .timeLimit(.minutes(60)), arguments: FuzzTarget.all)
    func stands(_ target: FuzzTarget) throws {
        let corpus = try Corpus.inputs(of: target.name)
        try #require(!corpus.isEmpty, "Tests/Corpus/\(target.name) is empty")
        let path = "/tmp/understudy-fuzz-\(target.name)"
        let file = unsafe open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        try #require(file >= 0, "\(path): errno \(errno)")
        defer { close(file) }
        let witness = { (bytes: [UInt8]) in
            _ = unsafe bytes.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, $0.count, 0) }
            _ = ftruncate(file, off_t(bytes.count))
        }

        var fixed = Fuzzer(target, corpus: corpus, seed: 1)
        try Self.telling(&fixed, seed: 1) { fuzzer in
            try fuzzer.judgeCorpus(witness)
            for _ in 0..<Self.fixedRounds { try fuzzer.round(witness) }
        }
        let seed = Self.variable("UNDERSTUDY_SEED") ?? UInt64.random(in: 0...(.max))
        var free = Fuzzer(target, corpus: corpus, seed: seed)
        let end = ContinuousClock.now + .milliseconds(Int64(Self.seconds) * (target.facesStrangers ? 1000 : 100))
        try Self.telling(&free, seed: seed) { fuzzer in
            while ContinuousClock.now < end {
                for _ in 0..<64 { try fuzzer.round(witness) }
            }
        }
        // It got somewhere: what it has seen is more than the corpus shows, or as much.
        #expect(fixed.outcomeCount >= 2, "\(target.name) says the same of everything")
        print("\(target.name): \(fixed.count + free.count) inputs, \(fixed.outcomeCount) and \(free.outcomeCount) outcomes")
        try FileManager.default.removeItem(atPath: path)
    }

    private static func telling(
        _ fuzzer: inout Fuzzer, seed: UInt64, _ body: (inout Fuzzer) throws -> Void
    ) throws {
        do { try body(&fuzzer) } catch {
            let bytes = fuzzer.input.prefix(shownBytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            throw FuzzFinding(
                description: "\(error); seed \(seed), input \(fuzzer.count), \(fuzzer.input.count) bytes: \(bytes)")
        }
    }

    @Test("every target has a corpus, and every corpus a target")
    func corpora() throws {
        let names = FuzzTarget.all.map { $0.name }
        let folders = try Corpus.names()
        #expect(Set(names) == folders)
        #expect(Set(names).count == names.count)
    }

    @Test("the fuzzer finds a mistake that four right bytes hide")
    func itself() throws {
        let target = FuzzTarget(name: "planted", words: [[0xBE, 0xEF]]) { bytes in
            // One step at a time, as a parser does: each step is an outcome of its own.
            let depth = zip(bytes, [0x55, 0x53, 0xBE, 0xEF] as [UInt8]).prefix { $0 == $1 }.count
            try demand(depth < 4, "found")
            return "\(depth)"
        }
        var fuzzer = Fuzzer(target, corpus: [[0, 0, 0, 0]], seed: 7)
        #expect(throws: FuzzFinding.self) { for _ in 0..<200_000 { try fuzzer.round(nil) } }
        #expect(fuzzer.input.starts(with: [0x55, 0x53, 0xBE, 0xEF]))
    }
}
