// The variable byte integer: seven bits a byte, at most four bytes.

/// Reads and writes variable byte integers (MQTT 5.0, 1.5.5; MQTT 3.1.1, 2.2.3).
package enum VariableByteInteger {
    /// The largest value four bytes can carry.
    package static let maximum = 268_435_455

    /// What the bytes at a place hold.
    package enum Reading: Equatable, Sendable {
        /// The bytes end in the middle of the integer.
        case needMore
        /// A fifth byte would be needed.
        case malformed
        /// The value, how many bytes it took (1 to 4), and whether fewer would have done (malformed in MQTT 5.0).
        case value(Int, length: Int, isMinimal: Bool)
    }

    /// Reads the integer that begins at `offset`, which is at most `bytes.count`.
    package static func read(_ bytes: Span<UInt8>, at offset: Int) -> Reading {
        var value = 0
        for index in 0..<4 {
            guard offset < bytes.count - index else { return .needMore }
            let byte = bytes[offset + index]
            value |= Int(byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0 { return .value(value, length: index + 1, isMinimal: index == 0 || byte != 0) }
        }
        return .malformed
    }

    /// Appends `value` (0 to ``maximum``) in as few bytes as possible.
    package static func append(_ value: Int, to bytes: inout [UInt8]) {
        precondition(0...maximum ~= value, "variable byte integer out of range")
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
