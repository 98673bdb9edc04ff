// The daemon's status for people: what matters first, then everything else as it comes.

import Wire

/// Renders the answer to `status`. It knows the supervisor's part; what the children say it shows whatever it is.
struct StatusText {
    private(set) var text = ""

    init(_ status: JSON) {
        let node = status["node"]?.string
        let name = [node.map { "\($0):" }, "understudy", status["version"]?.string].compactMap { $0 }
        line(name.joined(separator: " ") + ", up \(TextTable.text("uptime_ms", status["uptime_ms"] ?? .null))")
        line(
            "configuration \(status["configuration"]?.string ?? "-"), "
                + "generation \(TextTable.text("", status["generation"] ?? .null))")
        if status["stopping"]?.bool == true { line("stopping") }
        if status["reloading"]?.bool == true { line("a reload is being prepared") }
        if let deaths = status["supervisor"]?["deaths"]?.integer, deaths > 0 {
            line("the supervisor was followed \(deaths) times, last after \(status["supervisor"]?["last_ending"]?.string ?? "-")")
        }
        table(status["processes"]?.array ?? [])
        certificates(status)
        for role in ["vip", "balancer"] {
            let process = status["processes"]?.array?.first { $0["role"]?.string == role }
            if process?["phase"]?.string ?? "off" == "off" { continue }
            guard let part = status[role], part.members != nil else {
                line("\(role) does not answer")
                continue
            }
            show(part, title: role, level: 0)
        }
    }

    private mutating func certificates(_ status: JSON) {
        for certificate in status["certificates"]?.array ?? [] {
            let words = ["block", "file", "subject"].map { certificate[$0]?.string ?? "-" }
            line("certificate of \(words[0]): \(words[1]), \(words[2]), \(Self.rest(of: certificate))")
        }
        if let problem = status["certificate_problem"]?.string {
            line("new certificates on the disk are not taken: \(problem)")
        }
    }

    /// `valid for 12 more days`, `EXPIRED 3 days ago`.
    static func rest(of certificate: JSON) -> String {
        let days = certificate["days_left"]?.integer ?? 0
        return days < 0 ? "EXPIRED \(-days) days ago" : "valid for \(days) more days"
    }

    private mutating func line(_ line: String, level: Int = 0) {
        text += String(repeating: "  ", count: level) + line + "\n"
    }

    private mutating func table(_ objects: [JSON], level: Int = 0) {
        guard !objects.isEmpty else { return }
        for row in TextTable(objects).text.split(separator: "\n") { line(String(row), level: level) }
    }

    /// Plain members on one line, tables for lists, and a paragraph for each nested object.
    private mutating func show(_ object: JSON, title: String, level: Int) {
        let members = (object.members ?? []).filter { $0.name != "ok" }
        let plain = members.filter { TextTable.isPlain($0.value) && $0.value != .array([]) }
        if level == 0 { text += "\n" }
        let words = plain.map { "\(TextTable.title($0.name)) \(TextTable.text($0.name, $0.value))" }
        line((title + (words.isEmpty ? "" : ": ")) + words.joined(separator: ", "), level: level)
        for member in members where !TextTable.isPlain(member.value) {
            let title = TextTable.title(member.name)
            switch member.value {
            case .array(let values):
                // A list of flat objects is a table; others are told one by one.
                if values.allSatisfy({ ($0.members ?? []).allSatisfy { TextTable.isPlain($0.value) } }) {
                    line(title + ":", level: level + 1)
                    table(values, level: level + 2)
                } else {
                    for value in values { show(value, title: title, level: level + 1) }
                }
            case .object(let inner) where inner.isEmpty: break
            default: show(member.value, title: title, level: level + 1)
            }
        }
    }
}
