// Bytes as the standards print them.

/// The bytes of hexadecimal digits; white space is skipped.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.utf8.map { digit -> UInt8 in
        digit <= 0x39 ? digit - 0x30 : (digit | 0x20) - 0x57
    }
    precondition(digits.count % 2 == 0, "half an octet")
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}
