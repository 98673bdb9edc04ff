// Secrets of a configuration in texts: kept where two settings are compared, left out where people or programs read them.

/// Marks what stands in a file and nowhere else.
enum Secret {
    // Of Unicode's private use area.
    private static let begin: Unicode.Scalar = "\u{E000}"
    private static let end: Unicode.Scalar = "\u{E001}"
    /// What is shown in place of a secret.
    static let placeholder = "***"

    /// A secret as it would be written, marked.
    static func mark(_ text: String) -> String { "\(begin)\(written(text))\(end)" }

    /// The text as it would be written in a file.
    static func reveal(_ text: String) -> String { replace(text, keepsSecrets: true) }

    /// The text for everybody.
    static func hide(_ text: String) -> String { replace(text, keepsSecrets: false) }

    /// A line of a file with every octet of its passwords covered: what stands behind the word `password`, unless that begins a statement.
    ///
    /// It judges by the octets alone, because the line may be one that nobody could make sense of.
    static func covered(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        var former: Range<Int>?
        var isSecretNext = false
        var index = line.startIndex
        while index < line.endIndex {
            let octet = line[index]
            guard !isBlank(octet) else {
                index += 1
                continue
            }
            guard !isMark(octet) else {
                (former, isSecretNext) = (nil, false)
                index += 1
                continue
            }
            let word = index..<endOfWord(line, from: index)
            if isSecretNext { for place in word { line[place] = UInt8(ascii: "*") } }
            isSecretNext = former != nil && line[word].elementsEqual("password".utf8)
            former = word
            index = word.upperBound
        }
        return line
    }

    /// Behind the word or the string in quotes that begins here.
    private static func endOfWord(_ line: ArraySlice<UInt8>, from start: Int) -> Int {
        var index = start
        if line[start] == UInt8(ascii: "\"") {
            index += 1
            while index < line.endIndex, line[index] != UInt8(ascii: "\"") {
                index += line[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            return min(index + 1, line.endIndex)
        }
        while index < line.endIndex, !isBlank(line[index]), !isMark(line[index]) { index += 1 }
        return index
    }

    private static func isBlank(_ octet: UInt8) -> Bool { octet == UInt8(ascii: " ") || octet == UInt8(ascii: "\t") || octet == UInt8(ascii: "\r") }

    private static func isMark(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "{") || octet == UInt8(ascii: "}") || octet == UInt8(ascii: ";")
    }

    private static func replace(_ text: String, keepsSecrets: Bool) -> String {
        guard text.unicodeScalars.contains(begin) else { return text }
        var out = String.UnicodeScalarView()
        var isInside = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case begin where !isInside:
                isInside = true
                if !keepsSecrets { out += placeholder.unicodeScalars }
            case end where isInside: isInside = false
            default: if keepsSecrets || !isInside { out.append(scalar) }
            }
        }
        return String(out)
    }
}
