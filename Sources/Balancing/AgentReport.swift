// What an agent on a server says about it: HAProxy's agent-check text.

/// One line of an agent (HAProxy configuration manual, `agent-check`): words between spaces, tabs and commas.
///
/// What a line does not speak of stays as it was: `drain` holds until `ready`, a weight until another.
package struct AgentReport: Hashable, Sendable {
    /// Whether the server works.
    package enum Operation: String, Hashable, Sendable { case up, down, failed, stopped }
    /// Whether it wants new sessions.
    package enum Wish: String, Hashable, Sendable { case ready, drain, maint }

    package private(set) var operation: Operation?
    package private(set) var wish: Wish?
    /// Of the weight in the file, in percent.
    package private(set) var weightPercent: Int?
    /// What follows `#`, printable and short.
    package private(set) var remark: String?

    /// The longest line that is read, in bytes.
    package static let maximumLine = 1024
    private static let maximumRemark = 64

    /// A line that says nothing of what an agent says.
    package struct Malformed: Error, Hashable {}

    /// Reads a line without its end. Words nobody knows are passed over, as HAProxy does.
    ///
    /// - Throws: ``Malformed`` when no word of it is known.
    package init(_ line: [UInt8]) throws(Malformed) {
        var words = line[...]
        if let mark = line.firstIndex(of: UInt8(ascii: "#")) {
            words = line[..<mark]
            let text = line[(mark + 1)...].prefix(Self.maximumRemark).map { 0x20...0x7E ~= $0 ? $0 : 0x3F }
            let remark = String(decoding: text.drop { $0 == 0x20 }, as: UTF8.self)
            self.remark = remark.isEmpty ? nil : remark
        }
        let separators: Set<UInt8> = [0x20, 0x09, 0x2C, 0x0D]
        for word in words.split(whereSeparator: { separators.contains($0) }) {
            let text = String(decoding: word, as: UTF8.self).lowercased()
            if let operation = Operation(rawValue: text) {
                self.operation = operation
            } else if let wish = Wish(rawValue: text) {
                self.wish = wish
            } else if text.hasSuffix("%"), (2...4).contains(text.utf8.count),
                text.dropLast().utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let percent = Int(text.dropLast())
            {
                weightPercent = percent
            }
        }
        guard operation != nil || wish != nil || weightPercent != nil else { throw Malformed() }
    }
}
