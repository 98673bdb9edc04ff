// The mask of a client's frame, applied in place.

/// Four bytes laid over a payload, and how far into them the payload has come (RFC 6455, 5.3).
package struct FrameMask: Hashable, Sendable, BitwiseCopyable {
    /// The four bytes, the first one lowest.
    private var key: UInt32

    /// - Parameter key: The masking key as a number, its first byte highest.
    package init(key: UInt32) { self.key = key.byteSwapped }

    /// The key as it would be for the next byte, its first byte highest.
    package var next: UInt32 { key.byteSwapped }

    /// Masks or unmasks `range`, which follows what was masked before.
    package mutating func apply(to bytes: inout MutableSpan<UInt8>, _ range: Range<Int>) {
        // A copy of its own, so that the loop keeps the key in a register; four bytes a turn.
        let key = key
        let whole = range.lowerBound + (range.count & ~3)
        var index = range.lowerBound
        while index < whole {
            bytes[index] ^= UInt8(truncatingIfNeeded: key)
            bytes[index + 1] ^= UInt8(truncatingIfNeeded: key >> 8)
            bytes[index + 2] ^= UInt8(truncatingIfNeeded: key >> 16)
            bytes[index + 3] ^= UInt8(truncatingIfNeeded: key >> 24)
            index += 4
        }
        while index < range.upperBound {
            bytes[index] ^= UInt8(truncatingIfNeeded: key >> UInt32(8 * (index - whole)))
            index += 1
        }
        let turn = UInt32(8 * (range.count & 3))
        if turn != 0 { self.key = key >> turn | key << (32 - turn) }
    }

    /// One byte, masked or unmasked, which follows what was masked before.
    mutating func apply(to byte: UInt8) -> UInt8 {
        defer { key = key >> 8 | key << 24 }
        return byte ^ UInt8(truncatingIfNeeded: key)
    }
}
