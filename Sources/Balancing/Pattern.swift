// A pattern with stars, as routes compare names with.

/// Bytes in which every `*` stands for any bytes, also none.
///
/// Matching is linear in practice and never recursive: of several stars only the last one is tried again, so the cost is
/// bounded by the pattern's length times the text's.
package struct Pattern: Hashable, Sendable {
    private let bytes: [UInt8]
    private let ignoresCase: Bool

    /// - Parameter ignoresCase: Letters of ASCII are the same in both cases, as in host names (RFC 4343).
    package init(_ text: String, ignoresCase: Bool = false) {
        self.ignoresCase = ignoresCase
        bytes = text.utf8.map { ignoresCase ? Pattern.lowered($0) : $0 }
    }

    /// Whether the whole text fits.
    package func matches(_ text: Span<UInt8>) -> Bool {
        var place = 0
        var next = 0
        var star: Int?
        var resume = 0
        while place < text.count {
            let byte = ignoresCase ? Pattern.lowered(text[place]) : text[place]
            if next < bytes.count, bytes[next] == UInt8(ascii: "*") {
                star = next
                resume = place
                next += 1
            } else if next < bytes.count, bytes[next] == byte {
                next += 1
                place += 1
            } else if let last = star {
                // The star takes one byte more.
                resume += 1
                place = resume
                next = last + 1
            } else {
                return false
            }
        }
        while next < bytes.count, bytes[next] == UInt8(ascii: "*") { next += 1 }
        return next == bytes.count
    }

    private static func lowered(_ byte: UInt8) -> UInt8 { 0x41...0x5A ~= byte ? byte + 0x20 : byte }
}
