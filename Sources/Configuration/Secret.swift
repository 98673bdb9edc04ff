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
