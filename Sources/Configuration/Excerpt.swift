// The line a message is about, with a caret under the place.

/// One source line as a terminal shows it: bounded in width, without control characters and passwords, the range underlined.
struct Excerpt {
    /// Columns of a line that are shown; a longer line is cut around the range.
    static let maximumWidth = 110

    private let line: Int
    private var shown = ""
    private var underline = ""

    init(_ source: Source, _ range: SourceRange, line: Int) {
        self.line = line
        let extent = source.extent(ofLine: line)
        let start = min(max(range.start, extent.lowerBound), extent.upperBound)
        let end = max(start, min(range.end, extent.upperBound))
        let text = Secret.covered(source.bytes[extent])
        let before = Self.scalars(text[extent.lowerBound..<start])
        let marked = Self.scalars(text[start..<end])
        let after = Self.scalars(text[end..<extent.upperBound])

        var lead = before[...]
        if before.count + marked.count > Self.maximumWidth {
            lead = before.suffix(max(0, Self.maximumWidth / 2))
        }
        if lead.count < before.count {
            shown += "… "
            underline += "  "
        }
        for scalar in lead {
            shown += Self.visible(scalar)
            underline += scalar == "\t" ? "\t" : String(repeating: " ", count: Self.width(scalar))
        }
        let body = marked.prefix(Self.maximumWidth)
        var cells = 0
        for scalar in body {
            shown += Self.visible(scalar)
            cells += Self.width(scalar)
        }
        underline += "^" + String(repeating: "~", count: max(0, cells - 1))
        let room = max(0, Self.maximumWidth - lead.count - body.count)
        for scalar in after.prefix(room) { shown += Self.visible(scalar) }
        if after.count > room || body.count < marked.count { shown += " …" }
    }

    func write(into out: inout String) {
        let number = String(line)
        out += String(repeating: " ", count: max(0, 5 - number.utf8.count)) + number + " | " + shown + "\n"
        out += "      | " + underline + "\n"
    }

    private static func scalars(_ bytes: ArraySlice<UInt8>) -> [Unicode.Scalar] {
        Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
    }

    /// A control character never reaches the terminal.
    private static func visible(_ scalar: Unicode.Scalar) -> String {
        if scalar == "\t" { return "\t" }
        let hidden =
            scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) || (0x200B...0x200F).contains(scalar.value)
            || (0x2028...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        return hidden ? "\u{FFFD}" : String(Character(scalar))
    }

    /// Terminal cells of a character: two for the wide forms of East Asian scripts (Unicode TR 11), else one.
    private static func width(_ scalar: Unicode.Scalar) -> Int {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            2
        default: 1
        }
    }
}
