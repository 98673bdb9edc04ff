// Characters that look like ASCII punctuation and are not: they travel from web pages and input methods into files.

/// A character somebody meant as an ASCII one.
///
/// The EMQX documentation itself printed HAProxy rules with full-width commas, which no parser accepted.
struct Lookalike {
    let scalar: Unicode.Scalar
    /// What was meant.
    let ascii: Unicode.Scalar

    init?(_ scalar: Unicode.Scalar) {
        let ascii: Unicode.Scalar?
        switch scalar.value {
        case 0xFF01...0xFF5E: ascii = Unicode.Scalar(scalar.value - 0xFEE0)
        case 0xA0, 0x2000...0x200B, 0x202F, 0x205F, 0x3000: ascii = " "
        case 0x201C...0x201F, 0xAB, 0xBB: ascii = "\""
        case 0x2018...0x201B: ascii = "'"
        case 0x2010...0x2015, 0x2212: ascii = "-"
        case 0x3001: ascii = ","
        case 0x3002: ascii = "."
        default: ascii = nil
        }
        guard let ascii else { return nil }
        self.scalar = scalar
        self.ascii = ascii
    }

    /// `full-width comma "，" (U+FF0C)`.
    var description: String {
        let hex = String(scalar.value, radix: 16, uppercase: true)
        let code = "U+" + String(repeating: "0", count: max(0, 4 - hex.utf8.count)) + hex
        let kind = (0xFF01...0xFF5E).contains(scalar.value) || scalar.value >> 8 == 0x30 ? "full-width" : "typographic"
        let shown = ascii == " " ? "" : "\"\(Character(scalar))\" "
        return "\(kind) \(noun) \(shown)(\(code))"
    }

    var help: String { ascii == " " ? "write an ordinary space" : "write the ASCII \(noun): \(ascii)" }

    private var noun: String {
        switch ascii {
        case " ": "space"
        case ",": "comma"
        case ".": "full stop"
        case ":": "colon"
        case ";": "semicolon"
        case "(", ")": "parenthesis"
        case "{", "}": "brace"
        case "[", "]": "bracket"
        case "\"", "'": "quotation mark"
        case "-": "hyphen"
        case "/": "slash"
        case "#": "number sign"
        case "0"..."9": "digit"
        case "a"..."z", "A"..."Z": "letter"
        default: "character"
        }
    }
}
