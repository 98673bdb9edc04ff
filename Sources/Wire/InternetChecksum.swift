// The Internet checksum (RFC 1071).

/// The one's complement sum of 16-bit words (RFC 1071), fed piecewise.
package struct InternetChecksum: Sendable {
    private var sum: UInt64 = 0
    private var odd = false

    package init() {}

    /// Adds octets; pieces of odd length continue in the same word.
    package mutating func add(_ bytes: Span<UInt8>) {
        for index in 0..<bytes.count { add(bytes[index]) }
    }

    /// Adds one octet.
    package mutating func add(_ byte: UInt8) {
        sum &+= odd ? UInt64(byte) : UInt64(byte) << 8
        odd.toggle()
    }

    /// The checksum to place into a packet whose checksum field was read as zero. Over a packet that carries a right
    /// checksum the value is 0.
    package var value: UInt16 {
        var folded = sum
        while folded >> 16 != 0 { folded = (folded & 0xFFFF) + (folded >> 16) }
        return ~UInt16(folded)
    }
}
