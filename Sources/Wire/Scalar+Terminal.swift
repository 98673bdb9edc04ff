// Which characters of a stranger must not reach a terminal as they are.

extension Unicode.Scalar {
    /// Whether a terminal may obey this character instead of showing it: the control characters of ASCII and of Latin 1
    /// (U+009B begins a sequence as ESC [ does), line and paragraph separators, and what turns the direction of text so
    /// that a name looks like another (UAX #9).
    package var steersTerminals: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
