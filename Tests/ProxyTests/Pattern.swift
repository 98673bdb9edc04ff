// Bytes that tell where in the stream they stand.

import Glibc
import Linux
import Testing
import Wire

/// An endless stream of bytes: a random block of prime length over and over, so that bytes lost, repeated or moved show.
struct Pattern: Sendable {
    private static let period = 1_048_573
    private let block: [UInt8]

    init(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var block: [UInt8] = []
        block.reserveCapacity(Pattern.period + 8)
        while block.count < Pattern.period { block.append(bigEndian: random.next()) }
        self.block = Array(block.prefix(Pattern.period))
    }

    /// At most `most` bytes from a position on.
    func bytes(at position: Int, most: Int) -> [UInt8] {
        let start = position % Pattern.period
        return Array(block[start..<min(start + most, Pattern.period)])
    }

    /// Whether `bytes` are those from a position on.
    func matches(_ bytes: [UInt8], at position: Int) -> Bool {
        var done = 0
        while done < bytes.count {
            let start = (position + done) % Pattern.period
            let count = min(bytes.count - done, Pattern.period - start)
            // Sound: both ranges lie inside their arrays.
            let isEqual = unsafe bytes[done..<done + count].withUnsafeBytes { a in
                unsafe block[start..<start + count].withUnsafeBytes { b in
                    guard let first = a.baseAddress, let second = b.baseAddress else { return true }
                    return unsafe memcmp(first, second, count) == 0
                }
            }
            if !isEqual { return false }
            done += count
        }
        return true
    }
}

extension Peer {
    /// Sends the first `count` bytes of a pattern in pieces of random size.
    func send(_ pattern: Pattern, count: Int, seed: UInt64, largest: Int = 100_000) throws {
        var random = SeededGenerator(seed: seed)
        var sent = 0
        while sent < count {
            let piece = pattern.bytes(at: sent, most: min(count - sent, Int.random(in: 1...largest, using: &random)))
            try send(piece)
            sent += piece.count
        }
    }

    /// Receives to the end of the stream; how many bytes came, all as in the pattern.
    func receive(_ pattern: Pattern, count: Int, seed: UInt64, largest: Int = 200_000) throws -> Int {
        var random = SeededGenerator(seed: seed)
        var received = 0
        while received < count {
            let limit = min(count - received, Int.random(in: 1...largest, using: &random))
            let bytes = try receiveSome(limit: limit, "byte \(received)")
            if bytes.isEmpty { return received }
            guard pattern.matches(bytes, at: received) else { throw Failure.ended(after: received) }
            received += bytes.count
        }
        return received
    }
}
