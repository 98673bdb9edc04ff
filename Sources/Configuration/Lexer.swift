// Bytes of one file become words, braces, separators and line ends, each with its place.

/// A word of the file, as it means: without its quotes.
package struct Word: Hashable, Sendable {
    package var text: String
    package var range: SourceRange
    /// Written in quotes: never a keyword.
    package var quoted: Bool
}

/// Something the lexer tells apart.
enum Token: Hashable, Sendable {
    case word(Word)
    /// `{`
    case open(SourceRange)
    /// `}`
    case close(SourceRange)
    /// `;`
    case separator
    case lineEnd
    case end
}

/// Cuts the bytes of one file into tokens. Never traps, always advances, reports and goes on.
struct Lexer {
    private let source: Source
    private let file: Int
    private var offset = 0
    /// What was wrong so far.
    private(set) var diagnostics: [Diagnostic] = []
    /// Set when a token was repaired; the parser reads and clears it, so that no second message follows.
    var repaired = false
    /// Whether the word being read had a look-alike already: a pair of curly quotes is one mistake.
    private var hasLookalike = false

    /// - Parameter file: the index of `source` in the outcome's files.
    init(_ source: Source, file: Int) {
        self.source = source
        self.file = file
        if source.bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    /// Where the next token begins at the earliest.
    var here: SourceRange { SourceRange(file: file, start: offset, end: offset) }

    mutating func next() -> Token {
        while offset < source.bytes.count {
            let byte = source.bytes[offset]
            switch byte {
            case 0x20, 0x09, 0x0D: offset += 1
            case 0x0A:
                offset += 1
                return .lineEnd
            case UInt8(ascii: "#"):
                while offset < source.bytes.count, source.bytes[offset] != 0x0A { offset += 1 }
            case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ";"): return punctuation(byte, length: 1)
            case UInt8(ascii: "\""): return quotedWord()
            default:
                if let (mark, length) = structuralLookalike() {
                    report(lookalike: mark, length: length)
                    if mark.ascii == " " {
                        offset += length
                        continue
                    }
                    return punctuation(UInt8(truncatingIfNeeded: mark.ascii.value), length: length)
                }
                return plainWord()
            }
        }
        return .end
    }

    private mutating func punctuation(_ byte: UInt8, length: Int) -> Token {
        let range = SourceRange(file: file, start: offset, end: offset + length)
        offset += length
        switch byte {
        case UInt8(ascii: "{"): return .open(range)
        case UInt8(ascii: "}"): return .close(range)
        default: return .separator
        }
    }

    /// A look-alike of a space, a brace or a semicolon at the offset.
    private func structuralLookalike() -> (Lookalike, Int)? {
        guard source.bytes[offset] >= 0x80, let (scalar, length) = scalar(at: offset), let mark = Lookalike(scalar),
            [" ", "{", "}", ";"].contains(mark.ascii)
        else { return nil }
        return (mark, length)
    }

    private mutating func report(lookalike mark: Lookalike, length: Int) {
        guard !hasLookalike else { return }
        fail(mark.description, from: offset, to: offset + length, help: mark.help)
    }

    private mutating func fail(_ message: String, from start: Int, to end: Int, help: String?) {
        repaired = true
        guard diagnostics.count < SourceLimits.diagnostics else { return }
        diagnostics.append(.error(message, at: SourceRange(file: file, start: start, end: end), help: help))
    }

    private func scalar(at offset: Int) -> (Unicode.Scalar, Int)? {
        var iterator = source.bytes[offset..<min(offset + 4, source.bytes.count)].makeIterator()
        var parser = Unicode.UTF8.ForwardParser()
        guard case .valid(let encoded) = parser.parseScalar(from: &iterator) else { return nil }
        return (Unicode.UTF8.decode(encoded), encoded.count)
    }

    private mutating func plainWord() -> Token {
        let start = offset
        var text: [UInt8] = []
        hasLookalike = false
        defer { hasLookalike = false }
        scan: while offset < source.bytes.count {
            let byte = source.bytes[offset]
            switch byte {
            case 0x20, 0x09, 0x0D, 0x0A, UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: ";"): break scan
            default:
                if byte >= 0x80, structuralLookalike() != nil { break scan }
                character(byte, into: &text)
            }
        }
        return word(text, from: start, quoted: false)
    }

    /// Takes one character of a word; repairs what cannot be meant.
    private mutating func character(_ byte: UInt8, into text: inout [UInt8]) {
        if byte < 0x20 || byte == 0x7F {
            fail("control character \(byte) in a word", from: offset, to: offset + 1, help: "remove it")
            offset += 1
        } else if byte < 0x80 {
            text.append(byte)
            offset += 1
        } else if let (scalar, length) = scalar(at: offset) {
            if let mark = Lookalike(scalar) {
                report(lookalike: mark, length: length)
                hasLookalike = true
                text.append(UInt8(truncatingIfNeeded: mark.ascii.value))
            } else {
                text += source.bytes[offset..<offset + length]
            }
            offset += length
        } else {
            fail("not UTF-8", from: offset, to: offset + 1, help: "save the file in UTF-8")
            offset += 1
            // One message for a run of bytes that are no characters.
            while offset < source.bytes.count, source.bytes[offset] >= 0x80, scalar(at: offset) == nil { offset += 1 }
        }
    }

    private mutating func quotedWord() -> Token {
        let start = offset
        var text: [UInt8] = []
        offset += 1
        while offset < source.bytes.count, source.bytes[offset] != 0x0A {
            let byte = source.bytes[offset]
            if byte == UInt8(ascii: "\"") {
                offset += 1
                return word(text, from: start, quoted: true)
            }
            if byte == UInt8(ascii: "\\") {
                let next = offset + 1 < source.bytes.count ? source.bytes[offset + 1] : 0x0A
                if next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") {
                    text.append(next)
                    offset += 2
                } else {
                    fail(
                        "a backslash in quotes stands only before \\ and \"", from: offset, to: offset + 1,
                        help: "write \\\\")
                    offset += 1
                }
            } else if byte >= 0x80, let (_, length) = scalar(at: offset) {
                text += source.bytes[offset..<offset + length]
                offset += length
            } else {
                character(byte, into: &text)
            }
        }
        fail("the quotation mark is not closed on this line", from: start, to: start + 1, help: "end the word with \"")
        // What follows is read as if the mark were not there, so that a } behind it still closes its block.
        offset = start + 1
        return plainWord()
    }

    private mutating func word(_ text: [UInt8], from start: Int, quoted: Bool) -> Token {
        let range = SourceRange(file: file, start: start, end: offset)
        if text.count > SourceLimits.wordBytes {
            fail("a word has \(text.count) bytes", from: start, to: offset, help: "at most \(SourceLimits.wordBytes)")
        }
        let kept = text.prefix(SourceLimits.wordBytes)
        return .word(Word(text: String(decoding: kept, as: UTF8.self), range: range, quoted: quoted))
    }
}
