// The secret the two nodes share: its file format, and the keys that come out of it.

/// What makes a stranger's host not a peer: at least 32 random octets, the same on both hosts.
///
/// The file holds one line, `understudy-pair-1`, a space, and the octets in hexadecimal; white space around it does not
/// matter. The word says which version of the format it is and that it is not some other file.
package struct PairSecret: Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the contents of a secret file.
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        case empty
        /// More than ``PairSecret/maximumFileSize`` octets.
        case tooLarge
        /// It does not begin with the format's word: some other file, or another version.
        case otherFormat
        /// The word stands alone, or more than one value follows.
        case notOneValue
        /// Something that is no hexadecimal digit, and which character of the value it is, from 1.
        case notHexadecimal(at: Int)
        /// Octets of the value: an odd digit, too few, or too many.
        case wrongLength(digits: Int)
        /// So few different octets that nobody drew it at random.
        case notRandom

        package var description: String {
            switch self {
            case .empty: "is empty"
            case .tooLarge: "is longer than \(PairSecret.maximumFileSize) bytes, so it is no pair secret"
            case .otherFormat: "does not begin with \(PairSecret.word), so it is no pair secret"
            case .notOneValue: "needs exactly one value after \(PairSecret.word)"
            case .notHexadecimal(let position):
                "has a character that is not hexadecimal at place \(position) of its value"
            case .wrongLength(let digits):
                "has \(digits) hexadecimal digits; a pair secret has \(2 * PairSecret.octetCounts.lowerBound)"
            case .notRandom: "repeats so few different bytes that it is not random"
            }
        }
    }

    /// The first word of the file.
    package static let word = "understudy-pair-1"
    /// Octets that a secret may have; ``generate()`` draws the fewest.
    package static let octetCounts = 32...64
    /// Bytes a secret file may have.
    package static let maximumFileSize = 4096
    /// Fewer different octets than this in 32 random ones: less than once in 10^30 secrets.
    private static let fewestDifferentOctets = 9

    private let octets: [UInt8]

    private init(octets: [UInt8]) { self.octets = octets }

    /// Draws a new secret from the kernel's random numbers.
    package static func generate() -> PairSecret {
        // On Linux this is getrandom(2), and it blocks until the kernel has been seeded.
        var generator = SystemRandomNumberGenerator()
        while true {
            let octets = (0..<octetCounts.lowerBound).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            if isRandom(octets) { return PairSecret(octets: octets) }
        }
    }

    /// Reads the contents of a secret file.
    package init(parsing file: [UInt8]) throws(Problem) {
        guard file.count <= Self.maximumFileSize else { throw .tooLarge }
        let words = file.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
        guard let first = words.first else { throw .empty }
        guard first.elementsEqual(Self.word.utf8) else { throw .otherFormat }
        guard words.count == 2 else { throw .notOneValue }
        var digits: [UInt8] = []
        for (place, character) in words[1].enumerated() {
            guard let digit = Character(UnicodeScalar(character)).hexDigitValue, character < 0x80 else {
                throw .notHexadecimal(at: place + 1)
            }
            digits.append(UInt8(digit))
        }
        guard digits.count % 2 == 0, Self.octetCounts.contains(digits.count / 2) else {
            throw .wrongLength(digits: digits.count)
        }
        octets = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        guard Self.isRandom(octets) else { throw .notRandom }
    }

    private static func isRandom(_ octets: [UInt8]) -> Bool { Set(octets).count >= fewestDifferentOctets }

    /// The line to write into a secret file, with its end.
    package var fileContents: [UInt8] {
        var line = Array(Self.word.utf8) + [0x20]
        let digits = Array("0123456789abcdef".utf8)
        for octet in octets { line += [digits[Int(octet >> 4)], digits[Int(octet & 15)]] }
        return line + [0x0A]
    }

    /// Never the secret itself: a value that is logged by mistake tells nothing.
    package var description: String { "pair secret" }

    // MARK: Keys

    /// A key for one purpose.
    ///
    /// - Parameters:
    ///   - label: the purpose; every purpose has its own.
    ///   - context: what the key is further bound to, for example names.
    ///   - count: bytes, 1...``KeyDerivation/maximumCount``.
    package func key(_ label: String, context: [UInt8] = [], count: Int) throws(TLSError) -> [UInt8] {
        let info = Array(label.utf8) + [0] + context
        return try KeyDerivation.hkdf(secret: octets, salt: Array(Self.word.utf8), info: info, count: count)
    }

    /// The key of the stick tables' hash: the same on both hosts, and known to nobody who could craft collisions.
    package func tableHashKey() throws(TLSError) -> (UInt64, UInt64) {
        let octets = try key("stick-table-hash", count: 16)
        let words = [octets[..<8], octets[8...]].map { $0.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        return (words[0], words[1])
    }
}

extension PairSecret: CustomReflectable {
    /// Nothing: what prints a value by its fields must not print these.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
