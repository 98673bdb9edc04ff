// JSON objects as lines of a table for people.

import Wire

/// Objects of one kind, one a row; what the rows have in common names the columns.
struct TextTable {
    private let columns: [String]
    private let rows: [[String]]

    /// Takes the plain values of each object; what is nested is left out.
    init(_ objects: [JSON]) {
        var columns: [String] = []
        for object in objects {
            for member in object.members ?? [] where Self.isPlain(member.value) && !columns.contains(member.name) {
                columns.append(member.name)
            }
        }
        rows = objects.map { object in columns.map { Self.text($0, object[$0] ?? .null) } }
        self.columns = columns.map(Self.title)
    }

    /// The rows below their heading, each with a line end.
    var text: String {
        let widths = columns.indices.map { column in
            ([columns[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        return ([columns] + rows).map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            return line + "\n"
        }.joined()
    }

    // MARK: Values

    static func isPlain(_ value: JSON) -> Bool {
        switch value {
        case .array(let values): values.allSatisfy { $0.array == nil && $0.members == nil }
        case .object: false
        case .null, .bool, .integer, .number, .string: true
        }
    }

    /// A name without its unit, in words: `since_ms` is `since`.
    static func title(_ name: String) -> String {
        var words = name.split { $0 == "_" || $0 == "-" }.map(String.init)
        if words.count > 1, let unit = words.last, ["ms", "us"].contains(unit) { words.removeLast() }
        return words.joined(separator: " ")
    }

    /// A value as people read it; a name that ends in its unit makes a duration of a number.
    static func text(_ name: String, _ value: JSON) -> String {
        switch value {
        case .null: return "-"
        case .bool(let flag): return flag ? "yes" : "no"
        case .string(let text): return clean(text)
        case .array(let values): return values.map { text("", $0) }.joined(separator: " ")
        case .number(let number): return String(number)
        case .object: return "…"
        case .integer(let number):
            let unit = name.split { $0 == "_" || $0 == "-" }.last
            if unit == "ms" { return round(.milliseconds(number)) }
            if unit == "us" { return Duration.microseconds(number).text }
            return String(number)
        }
    }

    /// Long durations without what nobody wants to know.
    private static func round(_ duration: Duration) -> String {
        duration < .seconds(10) ? duration.text : Duration.seconds(duration.components.seconds).text
    }

    /// What a client sent must not steer a terminal.
    private static func clean(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.steersTerminals ? "\u{FFFD}" : $0 }))
    }
}
