// Parses JSON strictly (RFC 8259), with a bound on nesting.

extension JSON {
    /// What was wrong, and at which octet.
    package struct Malformed: Error, Equatable {
        package var reason: String
        package var offset: Int
    }

    /// Values may be nested this deep.
    package static let maximumDepth = 64

    /// Parses one JSON value that takes all of `bytes`, white space aside.
    ///
    /// - Throws: ``Malformed`` with the place of the first violation.
    package init(parsing bytes: Span<UInt8>) throws(Malformed) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }

    /// Parses one JSON value from text.
    package init(parsing text: String) throws(Malformed) {
        let bytes = Array(text.utf8)
        try self.init(parsing: bytes.span)
    }
}

/// A recursive-descent parser over borrowed bytes.
private struct JSONParser: ~Escapable {
    private let bytes: Span<UInt8>
    private var offset = 0

    @_lifetime(copy bytes)
    init(_ bytes: borrowing Span<UInt8>) { self.bytes = copy bytes }

    mutating func document() throws(JSON.Malformed) -> JSON {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw fail("something follows the value") }
        return value
    }

    private func fail(_ reason: String) -> JSON.Malformed { JSON.Malformed(reason: reason, offset: offset) }

    private var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func value(depth: Int) throws(JSON.Malformed) -> JSON {
        guard depth < JSON.maximumDepth else { throw fail("nested too deep") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try text())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some: return try number()
        case .none: throw fail("a value is missing")
        }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSON.Malformed) -> JSON {
        for expected in "\(word)".utf8 {
            guard peek == expected else { throw fail("not a JSON value") }
            offset += 1
        }
        return value
    }

    private mutating func object(depth: Int) throws(JSON.Malformed) -> [JSON.Member] {
        offset += 1
        var members: [JSON.Member] = []
        skipSpace()
        if peek == UInt8(ascii: "}") {
            offset += 1
            return members
        }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw fail("a member's name is missing") }
            let name = try text()
            skipSpace()
            guard peek == UInt8(ascii: ":") else { throw fail("':' is missing") }
            offset += 1
            members.append(JSON.Member(name, try value(depth: depth + 1)))
            skipSpace()
            switch peek {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "}"):
                offset += 1
                return members
            default: throw fail("',' or '}' is missing")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSON.Malformed) -> [JSON] {
        offset += 1
        var values: [JSON] = []
        skipSpace()
        if peek == UInt8(ascii: "]") {
            offset += 1
            return values
        }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            switch peek {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "]"):
                offset += 1
                return values
            default: throw fail("',' or ']' is missing")
            }
        }
    }

    private mutating func text() throws(JSON.Malformed) -> String {
        offset += 1
        var out: [UInt8] = []
        while let byte = peek {
            offset += 1
            switch byte {
            case 0x22:
                guard let text = String(validating: out, as: UTF8.self) else { throw fail("a string is not UTF-8") }
                return text
            case 0x5C: try escape(into: &out)
            case 0..<0x20: throw fail("a control character stands in a string")
            default: out.append(byte)
            }
        }
        throw fail("a string does not end")
    }

    private mutating func escape(into out: inout [UInt8]) throws(JSON.Malformed) {
        guard let byte = peek else { throw fail("a string does not end") }
        offset += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: out.append(byte)
        case UInt8(ascii: "b"): out.append(0x08)
        case UInt8(ascii: "f"): out.append(0x0C)
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "u"):
            var code = UInt32(try hex4())
            if (0xD800..<0xDC00).contains(code) {
                guard peek == 0x5C, offset + 1 < bytes.count, bytes[offset + 1] == UInt8(ascii: "u") else {
                    throw fail("half of a surrogate pair")
                }
                offset += 2
                let low = UInt32(try hex4())
                guard (0xDC00..<0xE000).contains(low) else { throw fail("half of a surrogate pair") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fail("half of a surrogate pair") }
            out += String(Character(scalar)).utf8
        default: throw fail("an unknown escape")
        }
    }

    private mutating func hex4() throws(JSON.Malformed) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw fail("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt16(digit)
            offset += 1
        }
        return value
    }

    private mutating func number() throws(JSON.Malformed) -> JSON {
        let start = offset
        var isInteger = true
        if peek == UInt8(ascii: "-") { offset += 1 }
        let digits = try digits()
        if digits > 1, bytes[offset - digits] == UInt8(ascii: "0") { throw fail("a number has a leading zero") }
        if peek == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            _ = try self.digits()
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            isInteger = false
            offset += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { offset += 1 }
            _ = try self.digits()
        }
        var characters: [UInt8] = []
        for index in start..<offset { characters.append(bytes[index]) }
        let text = String(decoding: characters, as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw fail("a number is out of range") }
        return .number(value)
    }

    private mutating func digits() throws(JSON.Malformed) -> Int {
        let start = offset
        while let byte = peek, (0x30...0x39).contains(byte) { offset += 1 }
        guard offset > start else { throw fail("not a JSON value") }
        return offset - start
    }
}
