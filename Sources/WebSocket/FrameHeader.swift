// The header of a frame of ours: plain bytes, ready to stand before a payload.

/// What a frame is (RFC 6455, 5.2). Text frames do not exist here: MQTT is binary.
package enum Opcode: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case continuation = 0
    case binary = 2
    case close = 8
    case ping = 9
    case pong = 10

    /// Close, ping, pong: short, whole, and allowed between fragments.
    package var isControl: Bool { rawValue >= 8 }
}

/// An encoded frame header. Plain data; nothing is allocated for it.
package struct FrameHeader: Sendable, BitwiseCopyable {
    /// Bytes of the longest header.
    package static let longest = 14
    /// Bytes of the longest header of a payload of up to 65,535 bytes, without and with a mask.
    package static let usual = (unmasked: 4, masked: 8)

    private var bytes = InlineArray<14, UInt8>(repeating: 0)
    /// Bytes of the header: 2 to ``longest``.
    package private(set) var count = 0

    /// - Parameters:
    ///   - length: Bytes of the payload; not negative, at most 125 for a control frame.
    ///   - mask: The masking key of a client's frame, chosen so that nobody can guess it; nil for a server's.
    package init(_ opcode: Opcode, length: Int, isFinal: Bool = true, mask: UInt32? = nil) {
        precondition(length >= 0 && (!opcode.isControl || (length <= 125 && isFinal)), "no such frame")
        append((isFinal ? 0x80 : 0) | opcode.rawValue)
        let flag: UInt8 = mask == nil ? 0 : 0x80
        switch length {
        case ...125: append(flag | UInt8(length))
        case ...0xFFFF:
            append(flag | 126)
            append(bigEndian: UInt64(length), bytes: 2)
        default:
            append(flag | 127)
            append(bigEndian: UInt64(length), bytes: 8)
        }
        if let mask { append(bigEndian: UInt64(mask), bytes: 4) }
    }

    /// A byte of the header; `index` is below ``count``.
    package subscript(_ index: Int) -> UInt8 {
        precondition(index < count)
        return bytes[index]
    }

    /// Writes the header so that it ends before `offset`, where its payload begins.
    package func write(into span: inout MutableSpan<UInt8>, before offset: Int) {
        for index in 0..<count { span[offset - count + index] = bytes[index] }
    }

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    private mutating func append(bigEndian value: UInt64, bytes: Int) {
        for index in 0..<bytes { append(UInt8(truncatingIfNeeded: value >> UInt64(8 * (bytes - 1 - index)))) }
    }
}
