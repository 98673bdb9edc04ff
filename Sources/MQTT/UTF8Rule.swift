// What MQTT allows in a UTF-8 encoded string.

/// Checks strings by the rules of MQTT 5.0, 1.5.4.
struct UTF8Rule: Sendable, BitwiseCopyable {
    /// Whether control characters and noncharacters pass; the specification lets a receiver choose, mosquitto and
    /// EMQX refuse them.
    var allowsControls = false

    /// The first rule that the bytes in `range` break; nil when they are fine.
    ///
    /// Well-formed is what Unicode's table 3-7 says: no overlong form, no surrogate, nothing above U+10FFFF.
    func violation(_ bytes: Span<UInt8>, _ range: ByteRange) -> Violation? {
        var index = range.offset
        while index < range.end {
            let lead = bytes[index]
            let scalar: UInt32
            if lead < 0x80 {
                scalar = UInt32(lead)
                index += 1
            } else {
                let (length, smallest): (Int, UInt32)
                switch lead {
                case 0xC2...0xDF: (length, smallest) = (2, 0x80)
                case 0xE0...0xEF: (length, smallest) = (3, 0x800)
                case 0xF0...0xF4: (length, smallest) = (4, 0x1_0000)
                default: return .utf8
                }
                guard range.end - index >= length else { return .utf8 }
                var value = UInt32(lead) & (0xFF >> UInt32(length + 1))
                for next in (index + 1)..<(index + length) {
                    guard bytes[next] & 0xC0 == 0x80 else { return .utf8 }
                    value = value << 6 | UInt32(bytes[next] & 0x3F)
                }
                guard value >= smallest, value <= 0x10_FFFF, !(0xD800...0xDFFF ~= value) else { return .utf8 }
                scalar = value
                index += length
            }
            if scalar == 0 { return .utf8Null }
            if allowsControls { continue }
            if scalar < 0x20 || 0x7F...0x9F ~= scalar { return .utf8Control }
            if scalar & 0xFFFE == 0xFFFE || 0xFDD0...0xFDEF ~= scalar { return .utf8NonCharacter }
        }
        return nil
    }

    /// Whether the bytes in `range`, already checked as text, are a topic name: not empty, no wildcard
    /// (MQTT 5.0, 4.7.1 and 4.7.3).
    static func isTopicName(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        for index in range.offset..<range.end where bytes[index] == 0x23 || bytes[index] == 0x2B { return false }
        return !range.isEmpty
    }
}
