// HMAC-SHA256 for tests, because a pure target has no cryptographic library.

import VRRP
import Wire

/// SHA-256 (FIPS 180-4) and HMAC (RFC 2104), slow and plain; checked against RFC 4231 in `HMACAuthenticationTests`.
struct TestAuthenticator: MessageAuthenticator {
    /// Whether the library works.
    var works = true

    func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]? {
        guard works else { return nil }
        var block = key.count > 64 ? Self.sha256(key) : key
        block += Array(repeating: 0, count: 64 - block.count)
        var inner = block.map { $0 ^ 0x36 }
        for index in 0..<message.count { inner.append(message[index]) }
        return Self.sha256(block.map { $0 ^ 0x5C } + Self.sha256(inner))
    }

    private static let primes: [UInt32] = {
        var primes: [UInt32] = []
        var candidate: UInt32 = 2
        while primes.count < 64 {
            if !primes.contains(where: { candidate % $0 == 0 }) { primes.append(candidate) }
            candidate += 1
        }
        return primes
    }()

    /// The first 32 bits of the fraction of a root.
    private static func fraction(_ root: Double) -> UInt32 {
        UInt32((root - root.rounded(.down)) * 4_294_967_296)
    }

    /// The cube root by Newton's method.
    private static func cubeRoot(_ value: Double) -> Double {
        var root = value / 3 + 1
        for _ in 0..<64 { root = (2 * root + value / (root * root)) / 3 }
        return root
    }

    private static let rounds = primes.map { fraction(cubeRoot(Double($0))) }
    private static let initial = primes.prefix(8).map { fraction(Double($0).squareRoot()) }

    private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 {
        value >> count | value << (32 - count)
    }

    static func sha256(_ message: [UInt8]) -> [UInt8] {
        var padded = message + [0x80]
        padded += Array(repeating: 0, count: (120 - padded.count % 64) % 64)
        padded.append(bigEndian: UInt64(message.count) * 8)
        var hash = initial
        for block in stride(from: 0, to: padded.count, by: 64) {
            var words = (0..<16).map { word in
                (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(padded[block + 4 * word + $1]) }
            }
            for index in 16..<64 {
                let a = words[index - 15]
                let b = words[index - 2]
                let first = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3
                let second = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10
                words.append(words[index - 16] &+ first &+ words[index - 7] &+ second)
            }
            var state = hash
            for index in 0..<64 {
                let (a, e) = (state[0], state[4])
                let choice = (e & state[5]) ^ (~e & state[6])
                let majority = (a & state[1]) ^ (a & state[2]) ^ (state[1] & state[2])
                let upper = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                let lower = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                let first = state[7] &+ upper &+ choice &+ rounds[index] &+ words[index]
                state = [first &+ lower &+ majority, a, state[1], state[2], state[3] &+ first, e, state[5], state[6]]
            }
            for index in 0..<8 { hash[index] = hash[index] &+ state[index] }
        }
        var octets: [UInt8] = []
        for word in hash { octets.append(bigEndian: word) }
        return octets
    }
}
