// One event as it stands in the log: one sentence, then fields.

import Wire

/// A record, ready to be written.
package struct LogRecord: Sendable, Hashable {
    /// Octets of one value; what is beyond is cut off and marked.
    private static let valueLimit = 512
    /// Octets of the sentence.
    private static let sentenceLimit = 4096
    /// Octets of a line that says everything: some dozen values and their names.
    package static let lineLimit = 16_384

    package var level: LogLevel
    /// Microseconds since 1970.
    package var time: Int64
    /// The sentence and its fields on one line, free of control characters.
    package private(set) var text: String
    private var fields: [(name: String, value: String)] = []

    package init(
        _ level: LogLevel, at time: Int64, _ sentence: String,
        _ fields: KeyValuePairs<String, any CustomStringConvertible> = [:]
    ) {
        self.level = level
        self.time = time
        text = Self.cleaned(sentence, limit: Self.sentenceLimit)
        for (name, value) in fields { add(name, value.description) }
    }

    /// A record whose line says everything in a form of its own; the fields are for those who keep them apart.
    ///
    /// - Parameter line: as it is to be written; cut off behind ``lineLimit`` octets.
    package init(_ level: LogLevel, at time: Int64, line: String, fields: [(name: String, value: String)]) {
        self.level = level
        self.time = time
        text = Self.cleaned(line, limit: Self.lineLimit)
        self.fields = fields.map { ($0.name, Self.cleaned($0.value, limit: Self.valueLimit)) }
    }

    /// A stranger's text as it may stand in a record: no control characters, not longer than a value may be.
    package static func value(_ bytes: [UInt8]) -> String {
        cleaned(String(decoding: bytes, as: UTF8.self), limit: valueLimit)
    }

    /// The value as it stands behind `name=`: in quotes where it needs them.
    package static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x3D }
        if isPlain { return value }
        return JSON.string(value).text
    }

    /// Adds a field at the end.
    package mutating func add(_ name: String, _ value: String) {
        let value = Self.cleaned(value, limit: Self.valueLimit)
        fields.append((name, value))
        text += " \(name)=" + Self.quoted(value)
    }

    // MARK: Forms

    /// `2026-11-20T19:51:35.123456Z notice vip: Became active. router=mqtt`.
    package func line(process: String) -> String {
        "\(Self.timestamp(time)) \(level.name) \(process): \(text)\n"
    }

    /// The line the service manager takes from standard error: `<5>vip: Became active. router=mqtt` (sd-daemon(3)).
    package func prefixedLine(process: String) -> String { "<\(level.rawValue)>\(process): \(text)\n" }

    /// The journal's own datagram, with each field searchable as `UNDERSTUDY_NAME` (systemd: Native Journal Protocol).
    package func journalDatagram(process: String, pid: Int32) -> [UInt8] {
        var lines = [
            "MESSAGE=\(process): \(text)", "PRIORITY=\(level.rawValue)", "SYSLOG_IDENTIFIER=understudy",
            "SYSLOG_PID=\(pid)", "UNDERSTUDY_PROCESS=\(process)",
        ]
        for (name, value) in fields { lines.append("UNDERSTUDY_\(Self.journalName(name))=\(value)") }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    package static func == (a: LogRecord, b: LogRecord) -> Bool {
        a.level == b.level && a.time == b.time && a.text == b.text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    // MARK: Text

    /// Without control characters, so that what a client sent can neither forge a record nor steer a terminal.
    private static func cleaned(_ text: String, limit: Int) -> String {
        let isClean = text.utf8.count <= limit && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        if isClean { return text }
        var out = ""
        for scalar in text.unicodeScalars {
            if out.utf8.count >= limit { return out + "…" }
            switch scalar.value {
            case 0x0A: out += "\\n"
            case 0..<0x20, 0x7F..<0xA0: out += "\\x" + hex(UInt8(scalar.value))
            case _ where scalar.steersTerminals: out += "\u{FFFD}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    private static func hex(_ octet: UInt8) -> String {
        String(octet >> 4, radix: 16) + String(octet & 15, radix: 16)
    }

    private static func journalName(_ name: String) -> String {
        String(
            decoding: name.utf8.prefix(40).map { octet -> UInt8 in
                switch octet {
                case 0x61...0x7A: octet - 0x20
                case 0x30...0x39, 0x41...0x5A: octet
                default: 0x5F
                }
            }, as: UTF8.self)
    }

    /// Microseconds since 1970 as `2026-11-20T19:51:35.123456Z`.
    static func timestamp(_ microseconds: Int64) -> String {
        let seconds = microseconds / 1_000_000
        let day = seconds / 86_400
        let time = seconds % 86_400
        // Days to civil date: years begin in March, so that the leap day is the last one; eras of 400 years.
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return "\(digits(year, 4))-\(digits(month, 2))-\(digits(dayOfMonth, 2))T"
            + "\(digits(time / 3600, 2)):\(digits(time / 60 % 60, 2)):\(digits(time % 60, 2))"
            + ".\(digits(microseconds % 1_000_000, 6))Z"
    }

    private static func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
