// The head of an HTTP/1.1 message: its first line and its fields.

/// A head, read strictly (RFC 9112, 2 to 5): what two readers could understand differently is refused.
struct HTTPHead: Sendable {
    /// A header field; several of one name stay apart.
    struct Field: Hashable, Sendable {
        /// In lower case.
        let name: String
        /// Without the white space around it.
        let value: String
    }

    /// What is wrong with a head.
    enum Fault: Error { case malformed, tooLong, tooManyFields }

    /// The first line.
    let start: String
    let fields: [Field]

    /// Reads the bytes before the empty line; the last line has no end.
    init(_ bytes: [UInt8], maximumFields: Int) throws(Fault) {
        var lines: [[UInt8]] = [[]]
        for byte in bytes where byte != 0x0D {
            if byte == 0x0A { lines.append([]) } else { lines[lines.count - 1].append(byte) }
        }
        start = String(decoding: lines[0], as: UTF8.self)
        guard lines.count - 1 <= maximumFields else { throw .tooManyFields }
        var fields: [Field] = []
        for line in lines.dropFirst() {
            // No white space before the colon, no folded line: both begin or end a name that is no token.
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), HTTPHead.isToken(line[..<colon]) else {
                throw .malformed
            }
            let value = HTTPHead.trimmed(line[(colon + 1)...])
            fields.append(
                Field(
                    name: String(decoding: line[..<colon], as: UTF8.self).lowercased(),
                    value: String(decoding: value, as: UTF8.self)))
        }
        self.fields = fields
    }

    /// Values of the fields with this name (lower case), in order.
    func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    /// The elements of a comma-separated list that may be spread over several fields (RFC 9110, 5.6.1).
    func list(_ name: String) -> [String] {
        values(name).flatMap { $0.split(separator: ",") }
            .map { String(decoding: HTTPHead.trimmed(Array($0.utf8)[...]), as: UTF8.self) }
            .filter { !$0.isEmpty }
    }

    /// Whether a list holds an element, whatever the case of its letters.
    func contains(_ element: String, in name: String) -> Bool { list(name).contains { $0.lowercased() == element } }

    /// Whether bytes are a token (RFC 9110, 5.6.2).
    static func isToken(_ bytes: ArraySlice<UInt8>) -> Bool {
        let marks = Array("!#$%&'*+-.^_`|~".utf8)
        return !bytes.isEmpty
            && bytes.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: marks.contains(byte)
                }
            }
    }

    /// Whether text can stand in a field of ours: visible ASCII and spaces.
    static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { 0x20...0x7E ~= $0 } }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var rest = bytes.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        return rest
    }
}
