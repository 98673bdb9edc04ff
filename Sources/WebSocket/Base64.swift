// Base64, as far as WebSocket keys need it.

/// Base64 with padding (RFC 4648, 4).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The text for `bytes`.
    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var group: UInt32 = 0
            for index in 0..<3 { group = group << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for digit in 0..<4 {
                text.append(digit <= count ? alphabet[Int(group >> UInt32(18 - 6 * digit) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether `text` stands for sixteen bytes: 22 digits and `==`. The four bits that stand for nothing may be
    /// anything: RFC 6455 asks for nothing better, and clients are known to be careless there.
    package static func isSixteenBytes(_ text: String) -> Bool {
        let digits = Array(text.utf8)
        return digits.count == 24 && digits.suffix(2) == Array("==".utf8)[...]
            && digits.dropLast(2).allSatisfy { alphabet.contains($0) }
    }
}
