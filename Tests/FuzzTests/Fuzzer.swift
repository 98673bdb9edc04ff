// A fuzzer: mutates what is known, keeps what led to something new.

import Wire

/// Mutates inputs of one target. The same seed gives the same inputs.
struct Fuzzer {
    /// Most inputs kept; beyond it a new one takes the place of another that was found.
    static let maximumPool = 1024
    /// Longest input made, in bytes.
    static let maximumLength = 4096
    /// Most mutations of one input.
    private static let maximumMutations = 6
    /// Bytes at which parsers change their minds.
    private static let edges: [UInt8] = [0x00, 0x01, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0xFE, 0xFF]

    private let target: FuzzTarget
    private let corpus: [[UInt8]]
    private var random: SeededGenerator
    private var pool: [[UInt8]] = []
    private var outcomes: Set<String> = []
    /// The input that is being judged or was the last.
    private(set) var input: [UInt8] = []
    /// Inputs judged.
    private(set) var count = 0

    /// - Parameter corpus: not empty.
    init(_ target: FuzzTarget, corpus: [[UInt8]], seed: UInt64) {
        self.target = target
        self.corpus = corpus
        random = SeededGenerator(seed: seed)
    }

    /// How many different things the parser has said so far.
    var outcomeCount: Int { outcomes.count }

    /// Judges the corpus as it is, and every beginning of each of its inputs.
    mutating func judgeCorpus(_ witness: (([UInt8]) -> Void)?) throws {
        for whole in corpus {
            for length in stride(from: 0, through: whole.count, by: whole.count > 600 ? 7 : 1) {
                try judge(Array(whole.prefix(length)), witness)
            }
            try judge(whole, witness)
        }
    }

    /// Makes one input and judges it.
    mutating func round(_ witness: (([UInt8]) -> Void)?) throws {
        let known = corpus.count + pool.count
        let index = Int.random(in: 0..<known, using: &random)
        var bytes = index < corpus.count ? corpus[index] : pool[index - corpus.count]
        for _ in 0..<Int.random(in: 1...Self.maximumMutations, using: &random) { mutate(&bytes) }
        if bytes.count > Self.maximumLength { bytes.removeLast(bytes.count - Self.maximumLength) }
        if Int.random(in: 0..<4, using: &random) > 0 { bytes = target.repair(bytes) }
        try judge(bytes, witness)
    }

    private mutating func judge(_ bytes: [UInt8], _ witness: (([UInt8]) -> Void)?) throws {
        input = bytes
        count += 1
        witness?(bytes)
        guard outcomes.insert(try target.judge(bytes)).inserted else { return }
        if pool.count < Self.maximumPool {
            pool.append(bytes)
        } else {
            pool[Int.random(in: 0..<pool.count, using: &random)] = bytes
        }
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 0...24, using: &random))
        switch Int.random(in: 0..<11, using: &random) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 2 where place < bytes.count: bytes[place] = Self.edges.randomElement(using: &random) ?? 0
        case 3 where place < bytes.count: bytes[place] &+= Bool.random(using: &random) ? 1 : 255
        case 4: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 5: bytes.removeSubrange(place..<end)
        case 6: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
        case 7: bytes.removeLast(bytes.count - place)
        case 8: bytes.insert(contentsOf: target.words.randomElement(using: &random) ?? [], at: place)
        case 9:
            // Over what is there: keywords and lengths of the same size.
            let word = target.words.randomElement(using: &random) ?? [0xFF, 0xFF]
            bytes.replaceSubrange(place..<min(bytes.count, place + word.count), with: word)
        default:
            let other = corpus.randomElement(using: &random) ?? []
            let from = Int.random(in: 0...other.count, using: &random)
            bytes = Array(bytes.prefix(place)) + other[from...]
        }
    }
}
