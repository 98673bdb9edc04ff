// A configuration file as messages point into it: its name, its bytes, its lines.

/// One file of the configuration.
package struct Source: Hashable, Sendable {
    /// The name messages show: the path the operator gave, or the resolved path of an `include`.
    package let name: String
    package let bytes: [UInt8]
    /// Offsets at which lines begin; never empty.
    private let lineStarts: [Int]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        var starts = [0]
        for (offset, byte) in bytes.enumerated() where byte == 0x0A { starts.append(offset + 1) }
        lineStarts = starts
    }

    package init(name: String, text: String) { self.init(name: name, bytes: Array(text.utf8)) }

    /// The line number (from 1) that holds `offset`.
    package func line(at offset: Int) -> Int {
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        return low + 1
    }

    /// Offsets of a line (from 1) without its line end.
    package func extent(ofLine line: Int) -> Range<Int> {
        let start = lineStarts[line - 1]
        var end = line < lineStarts.count ? lineStarts[line] - 1 : bytes.count
        if end > start, bytes[end - 1] == 0x0D { end -= 1 }
        return start..<end
    }

    /// The column (from 1, in characters as an editor counts them) of `offset`.
    package func column(at offset: Int) -> Int {
        let start = lineStarts[line(at: offset) - 1]
        return String(decoding: bytes[start..<min(offset, bytes.count)], as: UTF8.self).unicodeScalars.count + 1
    }
}

/// A stretch of bytes in one of the files of a configuration.
package struct SourceRange: Hashable, Sendable, Comparable {
    /// Index of the file in the outcome's `sources`.
    package var file: Int
    /// Offset of the first byte.
    package var start: Int
    /// Offset after the last byte.
    package var end: Int

    package init(file: Int, start: Int, end: Int) {
        self.file = file
        self.start = start
        self.end = end
    }

    /// From the beginning of this range to the end of `other`, which lies behind it in the same file.
    package func through(_ other: SourceRange) -> SourceRange {
        SourceRange(file: file, start: start, end: max(end, other.end))
    }

    /// The empty range behind this one: where something is missing.
    package var behind: SourceRange { SourceRange(file: file, start: end, end: end) }

    package static func < (a: SourceRange, b: SourceRange) -> Bool {
        (a.file, a.start, a.end) < (b.file, b.start, b.end)
    }
}
