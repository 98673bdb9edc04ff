// JSON values (RFC 8259): what the admin socket speaks and the tools print.

/// A JSON value. Objects keep the order of their members, so that output reads as it was written.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One member of an object.
    package struct Member: Hashable, Sendable {
        package var name: String
        package var value: JSON
        package init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The first member of that name; `nil` for other kinds of value.
    package subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    package var array: [JSON]? {
        if case .array(let values) = self { values } else { nil }
    }

    package var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral, ExpressibleByFloatLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
    package init(nilLiteral: ()) { self = .null }

    package init(_ value: some BinaryInteger) { self = .integer(Int64(clamping: value)) }
    package init(_ value: String?) { self = value.map { .string($0) } ?? .null }
    package init(_ value: Bool) { self = .bool(value) }
}

// MARK: Writing

extension JSON {
    /// The value on one line.
    package var text: String {
        var out: [UInt8] = []
        write(into: &out)
        return String(decoding: out, as: UTF8.self)
    }

    /// The value over several lines, indented by two spaces a level.
    package var prettyText: String {
        var out: [UInt8] = []
        write(into: &out, indent: 0)
        return String(decoding: out, as: UTF8.self)
    }

    /// Appends the value's text; `indent` is the level of pretty printing, `nil` for one line.
    package func write(into out: inout [UInt8], indent: Int? = nil) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .integer(let value): out += String(value).utf8
        case .number(let value): out += (value.isFinite ? String(value) : "null").utf8
        case .string(let text): Self.write(text, into: &out)
        case .array(let values):
            Self.write(values, "[", "]", into: &out, indent: indent) { value, out, indent in
                value.write(into: &out, indent: indent)
            }
        case .object(let members):
            Self.write(members, "{", "}", into: &out, indent: indent) { member, out, indent in
                Self.write(member.name, into: &out)
                out += (indent == nil ? ":" : ": ").utf8
                member.value.write(into: &out, indent: indent)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], _ open: String, _ close: String, into out: inout [UInt8], indent: Int?,
        each: (Element, inout [UInt8], Int?) -> Void
    ) {
        func newline(_ level: Int?) {
            guard let level else { return }
            out += "\n".utf8
            out += Array(repeating: 0x20, count: 2 * level)
        }
        out += open.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { out += ",".utf8 }
            newline(indent.map { $0 + 1 })
            each(element, &out, indent.map { $0 + 1 })
        }
        if !elements.isEmpty { newline(indent) }
        out += close.utf8
    }

    private static func write(_ text: String, into out: inout [UInt8]) {
        out.append(0x22)
        if text.unicodeScalars.contains(where: \.steersTerminals) {
            // Rare: control characters above ASCII, and those that turn the direction of what follows.
            for scalar in text.unicodeScalars {
                if scalar.value >= 0x80, scalar.steersTerminals {
                    let digits = String(scalar.value, radix: 16)
                    out += ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8
                } else {
                    writeUnquoted(String(scalar).utf8, into: &out)
                }
            }
        } else {
            writeUnquoted(text.utf8, into: &out)
        }
        out.append(0x22)
    }

    private static func writeUnquoted(_ bytes: String.UTF8View, into out: inout [UInt8]) {
        for byte in bytes {
            switch byte {
            case 0x22: out += "\\\"".utf8
            case 0x5C: out += "\\\\".utf8
            case 0x0A: out += "\\n".utf8
            case 0x0D: out += "\\r".utf8
            case 0x09: out += "\\t".utf8
            case 0..<0x20, 0x7F:
                out += "\\u00".utf8
                out += String(byte >> 4, radix: 16).utf8
                out += String(byte & 15, radix: 16).utf8
            default: out.append(byte)
            }
        }
    }
}
