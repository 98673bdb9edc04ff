// Servers by name, free text and percentages as they are written.

import Wire

/// `10.0.0.11:1883`, `broker.example.com:1883`.
enum ServerText {
    /// RFC 1035, 2.3.4.
    private static let nameBytes = 253
    private static let labelBytes = 63

    static func parse(_ text: String) throws(Refusal) -> Value {
        // Whatever has no letter, or brackets, is meant as an address; and a name has a letter in its last label, or
        // 10.0.0.300 would be one.
        guard let colon = text.lastIndex(of: ":"), isName(text[..<colon]) else {
            do {
                return .socket(try AddressText.socket(text))
            } catch {
                if isName(text[...]) {
                    throw Refusal("\"\(text.excerpt)\" has no port", help: "write \(text.excerpt):1883")
                }
                guard error.message.hasSuffix("is not an address and port") else { throw error }
                throw Refusal(
                    "\"\(text.excerpt)\" is not a server and port",
                    help: "write 10.0.0.11:1883, [2001:db8::11]:1883 or broker.example.com:1883")
            }
        }
        let digits = text[text.index(after: colon)...]
        guard let number = Int(digits: digits), (1...65_535).contains(number) else {
            throw Refusal("\"\(String(digits).excerpt)\" is not a port", help: "write 1 to 65535")
        }
        return .hostName(String(text[..<colon]), port: UInt16(number))
    }

    /// Host names as RFC 1123, 2.1 has them, and underscores, which networks of containers use.
    private static func isName(_ text: Substring) -> Bool {
        let labels = (text.hasSuffix(".") ? text.dropLast() : text).utf8.split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard (1...nameBytes).contains(text.utf8.count), let last = labels.last,
            last.contains(where: { 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 })
        else { return false }
        return labels.allSatisfy { label in
            (1...labelBytes).contains(label.count) && label.first != UInt8(ascii: "-")
                && label.last != UInt8(ascii: "-")
                && label.allSatisfy {
                    0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 || $0 == 0x2D || $0 == 0x5F
                }
        }
    }
}

/// Text that is taken as it is.
enum PlainText {
    static func parse(_ text: String, maximum: Int) throws(Refusal) -> String {
        guard (1...maximum).contains(text.utf8.count) else {
            throw Refusal("the text has \(text.utf8.count) bytes", help: "write 1 to \(maximum)")
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Refusal("the text has a control character", help: "leave it out")
        }
        return text
    }

    static func parse(_ text: String, among words: [String]) throws(Refusal) -> String {
        guard words.contains(text) else {
            let near = text.utf8.count < 3 ? nil : Suggestion.nearest(to: text, in: words)
            throw Refusal(
                "\"\(text.excerpt)\" is none of " + words.joined(separator: ", "),
                help: near.map { "did you mean \"\($0)\"?" })
        }
        return text
    }
}

/// `20%`, `12.5%`.
enum PercentText {
    static func text(_ hundredths: Int) -> String {
        let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
        if rest == 0 { return "\(whole)%" }
        return rest % 10 == 0 ? "\(whole).\(rest / 10)%" : "\(whole).\(rest < 10 ? "0" : "")\(rest)%"
    }

    static func parse(_ text: String) throws(Refusal) -> Int {
        let help = "write 0.01% to 100%"
        guard text.hasSuffix("%") else {
            throw Refusal("\"\(text.excerpt)\" is not a percentage", help: help)
        }
        let parts = text.dropLast().split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let whole = Int(digits: first) else {
            throw Refusal("\"\(text.excerpt)\" is not a percentage", help: help)
        }
        var hundredths = min(whole, 1_000_000) * 100
        if parts.count == 2 {
            guard (1...2).contains(parts[1].utf8.count), let fraction = Int(digits: parts[1]) else {
                throw Refusal("\"\(text.excerpt)\" has more than two decimals", help: help)
            }
            hundredths += parts[1].utf8.count == 1 ? fraction * 10 : fraction
        }
        guard (1...10_000).contains(hundredths) else {
            throw Refusal("\(text.excerpt) is out of range", help: help)
        }
        return hundredths
    }
}
