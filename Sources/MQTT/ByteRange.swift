// A place inside a packet: offset and length, without the bytes.

/// Where a field's bytes stand, counted from the packet's first byte.
///
/// Plain data of eight bytes; it keeps no view of the packet, so it may outlive the buffer and be compared or stored.
package struct ByteRange: Hashable, Sendable, BitwiseCopyable {
    private let start: UInt32
    private let length: UInt32

    /// - Parameters:
    ///   - offset: Where the first byte stands; not negative.
    ///   - count: How many bytes there are; not negative.
    package init(offset: Int, count: Int) {
        start = UInt32(offset)
        length = UInt32(count)
    }

    /// Where the first byte stands.
    package var offset: Int { Int(start) }
    /// How many bytes there are.
    package var count: Int { Int(length) }
    /// Where the byte behind the last one stands.
    package var end: Int { offset + count }
    package var isEmpty: Bool { length == 0 }

    /// A copy of the bytes; `packet` is the packet the range was read from, from its first byte.
    package func bytes(in packet: Span<UInt8>) -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(count)
        for index in offset..<end { copy.append(packet[index]) }
        return copy
    }

    /// The bytes as text; what is not UTF-8 becomes U+FFFD.
    package func text(in packet: Span<UInt8>) -> String { String(decoding: bytes(in: packet), as: UTF8.self) }
}
