// Knows at every moment whether a stream of packets stands between two of them.

/// Follows packet boundaries through a stream in pieces of any size, without looking into payloads.
///
/// For who counts packets and asks for their types, as a load generator does; a session of the balancer, which must
/// survive being followed twice over the same bytes, has a ``PacketBoundary``. Plain data of a few words; the cost is a few
/// instructions for each packet, whatever its size.
package struct PacketTracker: Equatable, Sendable, BitwiseCopyable {
    /// Whole packets seen.
    package private(set) var packets: UInt64 = 0
    /// Bytes still to come of the packet whose length is known.
    private var rest: UInt32 = 0
    /// The remaining length as far as it was read.
    private var pending: UInt32 = 0
    /// The first byte of the packet in progress, or of the last whole one.
    package private(set) var firstByte: UInt8 = 0
    /// Bytes of the fixed header seen; 0 outside of one.
    private var headerBytes: UInt8 = 0
    /// A remaining length of more than four bytes came; nothing behind it can be told apart any more.
    package private(set) var isMalformed = false

    package init() {}

    /// Whether the stream stands between two packets, and its lengths made sense up to here.
    package var isAtBoundary: Bool { rest == 0 && headerBytes == 0 && !isMalformed }

    /// The type of the packet in progress or, at a boundary, of the last one; nil before the first packet.
    package var lastType: PacketType? { PacketType(rawValue: firstByte >> 4) }

    /// Bytes that are missing until the next boundary; nil while the length is not known.
    package var missing: Int? { headerBytes == 0 && !isMalformed ? Int(rest) : nil }

    /// Follows all of `bytes`, the next piece of the stream.
    package mutating func track(_ bytes: Span<UInt8>) {
        var offset = 0
        while offset < bytes.count { offset = advance(bytes, from: offset) }
    }

    /// Follows `bytes` from `offset` to the next packet boundary or their end, and returns where that is.
    ///
    /// Always moves on when there is a byte to move over. Once malformed, it passes over everything.
    package mutating func advance(_ bytes: Span<UInt8>, from offset: Int) -> Int {
        var index = offset
        while index < bytes.count, !isMalformed {
            if rest > 0 {
                let step = min(Int(rest), bytes.count - index)
                rest -= UInt32(step)
                index += step
                if rest > 0 { return index }
            } else if !readHeader(bytes[index]) {
                index += 1
                continue
            } else {
                index += 1
                if rest > 0 { continue }
            }
            packets += 1
            return index
        }
        return bytes.count
    }

    /// Takes one byte of a fixed header; true when the header is complete, and `rest` then holds its length.
    private mutating func readHeader(_ byte: UInt8) -> Bool {
        if headerBytes == 0 {
            firstByte = byte
            headerBytes = 1
            pending = 0
            return false
        }
        pending |= UInt32(byte & 0x7F) << (7 * UInt32(headerBytes - 1))
        if byte & 0x80 == 0 {
            headerBytes = 0
            rest = pending
            return true
        }
        headerBytes += 1
        isMalformed = headerBytes > 4
        return false
    }
}
