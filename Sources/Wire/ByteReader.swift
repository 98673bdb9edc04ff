// Reads big-endian integers and octets from borrowed bytes, never beyond their end.

/// A cursor over borrowed bytes.
///
/// It never traps and never reads beyond the end: what does not fit throws ``Short``. It cannot outlive the bytes it
/// reads (`~Escapable`), so a parser cannot keep a view of its caller's memory by accident.
package struct ByteReader: ~Escapable {
    /// More bytes were asked for than there are.
    package struct Short: Error, Equatable { package init() {} }

    package let bytes: Span<UInt8>
    /// The index of the next byte.
    package private(set) var offset: Int

    @_lifetime(copy bytes)
    package init(_ bytes: borrowing Span<UInt8>) {
        self.bytes = copy bytes
        self.offset = 0
    }

    package var remaining: Int { bytes.count - offset }
    package var isAtEnd: Bool { offset == bytes.count }

    /// The next octet.
    package mutating func u8() throws(Short) -> UInt8 {
        guard remaining >= 1 else { throw Short() }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// The next two octets as a big-endian number.
    package mutating func u16() throws(Short) -> UInt16 {
        guard remaining >= 2 else { throw Short() }
        defer { offset += 2 }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    /// The next four octets as a big-endian number.
    package mutating func u32() throws(Short) -> UInt32 {
        let high = try u16()
        return UInt32(high) << 16 | UInt32(try u16())
    }

    /// The next eight octets as a big-endian number.
    package mutating func u64() throws(Short) -> UInt64 {
        let high = try u32()
        return UInt64(high) << 32 | UInt64(try u32())
    }

    /// The next `count` octets, copied.
    package mutating func take(_ count: Int) throws(Short) -> [UInt8] {
        guard count >= 0, remaining >= count else { throw Short() }
        var taken: [UInt8] = []
        taken.reserveCapacity(count)
        for index in offset..<(offset + count) { taken.append(bytes[index]) }
        offset += count
        return taken
    }

    /// Passes over `count` octets.
    package mutating func skip(_ count: Int) throws(Short) {
        guard count >= 0, remaining >= count else { throw Short() }
        offset += count
    }
}

extension Array<UInt8> {
    /// Appends an integer in network byte order.
    package mutating func append<I: FixedWidthInteger>(bigEndian value: I) {
        var shift = I.bitWidth - 8
        while shift >= 0 {
            append(UInt8(truncatingIfNeeded: value >> I(shift)))
            shift -= 8
        }
    }
}
