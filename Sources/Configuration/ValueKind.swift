// Kinds of values and how each is read from a word: strictly, with its range, and with a message that says what is right.

import Wire

/// What a word means once it is understood.
enum Value: Hashable, Sendable {
    case text(String)
    case integer(Int)
    case duration(Duration)
    case address(IPAddress)
    case prefix(IPPrefix)
    case socket(SocketAddress)
    case hostName(String, port: UInt16)
}

/// A kind of argument: what it is called, and which words are one.
package enum ValueKind: Sendable {
    /// A name this file gives to something.
    case name
    /// The name of something this file defines with a directive of this name.
    case reference(String)
    /// A network interface.
    case interface
    /// A user or group of the system.
    case account
    /// An absolute path of at most so many bytes.
    case path(maximum: Int)
    /// A file name, absolute or relative.
    case file
    /// Printable text of so many bytes.
    case octets(ClosedRange<Int>)
    /// Any word, in a form of its own that people are told.
    case word(String)
    /// A whole number; `refused` numbers lie in no range and have a reason of their own.
    case integer(ClosedRange<Int>, refused: [Int: String] = [:])
    /// A whole number that may be negative.
    case signed(ClosedRange<Int>, refused: [Int: String] = [:])
    /// How many: digits, or with K, M (1024, 1024²).
    case count(ClosedRange<Int>)
    /// Bytes, with a unit.
    case size(ClosedRange<Int>)
    /// A duration with a unit, in whole steps.
    case duration(ClosedRange<Duration>, step: Duration)
    /// Events a second, as `2000/s`.
    case rate(ClosedRange<Int>)
    /// One of these words.
    case choice([String])
    case address
    case prefix
    case socket
    /// The path of an HTTP request.
    case webPath
    /// The name of a host in an HTTP request.
    case hostName
    /// An address or a host name, and a port.
    case server
    /// Any text of 1 to so many bytes, without control characters.
    case text(maximum: Int)
    /// One of these words.
    case oneOf([String])
    /// A part of the whole with at most two decimals and the sign, `20%`; read as hundredths of a percent.
    case percent

    /// The unit or form people must write, for `explain`; `nil` where the name says it.
    package var unit: String? {
        switch self {
        case .name: "letters, digits, . _ - (at most \(Self.nameBytes))"
        case .reference, .interface, .account, .file: nil
        case .path: "an absolute path"
        case .word(let form): form
        case .octets(let range): "\(range.lowerBound) to \(range.upperBound) bytes"
        case .integer(let range, _), .signed(let range, _): "\(range.lowerBound) to \(range.upperBound)"
        case .count(let range):
            "\(range.lowerBound) to \(CountText.text(range.upperBound)); K and M are 1024 and 1024×1024"
        case .size(let range):
            "\(SizeText.text(range.lowerBound)) to \(SizeText.text(range.upperBound)); B, KiB, MiB"
        case .duration(let range, let step):
            "\(range.lowerBound.text) to \(range.upperBound.text); us, ms, s, m, h, d"
                + (step > .milliseconds(1) ? "; in steps of \(step.text)" : "")
        case .webPath: "begins with /, visible ASCII"
        case .hostName: "mqtt.example.com, 10.0.0.10 or [2001:db8::10]"
        case .rate(let range): "\(range.lowerBound)/s to \(range.upperBound)/s"
        case .choice(let words): words.joined(separator: ", ")
        case .address: "10.0.0.11 or 2001:db8::11"
        case .prefix: "10.0.0.10/24 or 2001:db8::10/64"
        case .socket: "10.0.0.11:1883, [2001:db8::11]:1883 or *:1883"
        case .server: "10.0.0.11:1883, [2001:db8::11]:1883 or broker.example.com:1883"
        case .text(let maximum): "1 to \(maximum) bytes, in quotes where it has spaces"
        case .oneOf(let words): words.joined(separator: " or ")
        case .percent: "0.01% to 100%"
        }
    }

    static let nameBytes = 64
    /// IFNAMSIZ without its end mark.
    static let interfaceBytes = 15
}

/// Why a word is not the value it should be, and what would be.
struct Refusal: Error, Hashable {
    var message: String
    var help: String?

    init(_ message: String, help: String? = nil) {
        self.message = message
        self.help = help
    }
}

extension ValueKind {
    /// Reads a word as a value of this kind.
    func parse(_ text: String) throws(Refusal) -> Value {
        switch self {
        case .name, .reference: return .text(try name(text))
        case .interface: return .text(try interface(text))
        case .account: return .text(try account(text))
        case .path(let maximum): return .text(try path(text, maximum: maximum))
        case .file: return .text(text)
        case .octets(let range): return .text(try octets(text, range))
        case .word: return .text(text)
        case .integer(let range, let refused): return .integer(try integer(text, range, refused))
        case .signed(let range, let refused): return .integer(try integer(text, range, refused, isSigned: true))
        case .count(let range): return .integer(try CountText.parse(text, range))
        case .size(let range): return .integer(try SizeText.parse(text, range))
        case .duration(let range, let step): return .duration(try DurationText.parse(text, range, step: step))
        case .rate(let range): return .integer(try RateText.parse(text, range))
        case .choice(let words): return .text(try choice(text, words))
        case .address: return .address(try AddressText.address(text))
        case .prefix: return .prefix(try AddressText.prefix(text))
        case .socket: return .socket(try AddressText.socket(text))
        case .webPath: return .text(try webPath(text))
        case .hostName: return .text(try hostName(text))
        case .server: return try ServerText.parse(text)
        case .text(let maximum): return .text(try PlainText.parse(text, maximum: maximum))
        case .oneOf(let words): return .text(try PlainText.parse(text, among: words))
        case .percent: return .integer(try PercentText.parse(text))
        }
    }

    private func name(_ text: String) throws(Refusal) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard isPlain, (1...Self.nameBytes).contains(text.utf8.count) else {
            throw Refusal("\"\(text.excerpt)\" is not a name", help: unit.map { "a name is made of \($0)" })
        }
        return text
    }

    private func choice(_ text: String, _ words: [String]) throws(Refusal) -> String {
        if words.contains(text) { return text }
        let near = Suggestion.nearest(to: text, in: words)
        throw Refusal(
            "\"\(text.excerpt)\" is not known here",
            help: near.map { "did you mean \"\($0)\"?" } ?? "there is: " + words.joined(separator: ", "))
    }

    private func interface(_ text: String) throws(Refusal) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }
        guard isPlain, (1...Self.interfaceBytes).contains(text.utf8.count), text != ".", text != ".." else {
            throw Refusal(
                "\"\(text.excerpt)\" is not an interface name",
                help: "1 to \(Self.interfaceBytes) characters, as in: ip link")
        }
        return text
    }

    private func account(_ text: String) throws(Refusal) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3A && $0 != 0x2F }
        guard isPlain, (1...32).contains(text.utf8.count) else {
            throw Refusal("\"\(text.excerpt)\" is not a user or group name", help: "1 to 32 characters")
        }
        return text
    }

    private func path(_ text: String, maximum: Int) throws(Refusal) -> String {
        guard text.hasPrefix("/") else {
            throw Refusal("\"\(text.excerpt)\" is not an absolute path", help: "begin it with /")
        }
        guard text.utf8.count <= maximum else {
            throw Refusal("the path has \(text.utf8.count) bytes", help: "at most \(maximum)")
        }
        return text
    }

    private func webPath(_ text: String) throws(Refusal) -> String {
        guard text.hasPrefix("/") else {
            throw Refusal("\"\(text.excerpt)\" is not the path of a request", help: "begin it with /")
        }
        guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "#") }), text.utf8.count <= 1024 else {
            throw Refusal("\"\(text.excerpt)\" cannot stand in a request", help: "visible ASCII, at most 1024 bytes")
        }
        return text
    }

    private func hostName(_ text: String) throws(Refusal) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F: true
            default: false
            }
        }
        guard isPlain, (1...253).contains(text.utf8.count) else {
            throw Refusal("\"\(text.excerpt)\" is not the name of a host", help: unit.map { "as in \($0)" })
        }
        return text
    }

    private func octets(_ text: String, _ range: ClosedRange<Int>) throws(Refusal) -> String {
        guard range.contains(text.utf8.count) else {
            throw Refusal(
                "the word has \(text.utf8.count) bytes", help: "write \(range.lowerBound) to \(range.upperBound)")
        }
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Refusal("\"\(text.excerpt)\" is not plain text", help: "use letters, digits and signs")
        }
        return text
    }

    private func integer(
        _ text: String, _ range: ClosedRange<Int>, _ refused: [Int: String], isSigned: Bool = false
    ) throws(Refusal) -> Int {
        let isNegative = isSigned && text.hasPrefix("-")
        guard let value = Int(digits: isNegative ? text.dropFirst() : text[...]).map({ isNegative ? -$0 : $0 }) else {
            throw Refusal(
                "\"\(text.excerpt)\" is not a whole number", help: "write \(range.lowerBound) to \(range.upperBound)")
        }
        if let reason = refused[value] { throw Refusal("\(value) is refused: \(reason)") }
        guard range.contains(value) else {
            throw Refusal("\(value) is out of range", help: "write \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}

extension Int {
    /// Decimal digits only, at most 18 of them: no sign, no overflow.
    init?(digits text: some StringProtocol) {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        self.init(text)
    }
}

extension String {
    /// The beginning of a text of unknown length, for a message.
    var excerpt: String { unicodeScalars.count <= 40 ? self : String(String(unicodeScalars.prefix(40))) + "…" }
}
