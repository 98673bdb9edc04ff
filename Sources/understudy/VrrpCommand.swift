// `understudy vrrp history`: the evidence of the last ten minutes.

import Linux
import Wire

/// `understudy vrrp history [ROUTER] [--json]`.
enum VrrpCommand {
    static let subcommand = Understudy.Subcommand(
        name: "vrrp", arguments: "history [ROUTER] [--json] " + Daemon.usage,
        purpose: "adverts, refusals, delays of the last ten minutes", run: run)

    /// Seconds that are shown one by one.
    private static let shownRows = 60

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(arguments, flags: ["--json"], values: Daemon.options, words: 1...2)
            guard options.words[0] == "history" else {
                throw CommandLineOptions.Wrong(message: "there is no \"vrrp \(options.words[0])\"; there is: history")
            }
            var request = [JSON.Member("command", "history")]
            if options.words.count > 1 { request.append(JSON.Member("router", .string(options.words[1]))) }
            guard let answer = Daemon.ask(.object(request), options) else { return Understudy.Status.refused }
            let text = options.has("--json") ? answer.prettyText + "\n" : render(answer)
            return (try? Descriptor.writeAll(1, Array(text.utf8))) == nil
                ? Understudy.Status.refused : Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }

    private static func render(_ answer: JSON) -> String {
        (answer["routers"]?.array ?? []).map(router).joined(separator: "\n")
    }

    private static func router(_ router: JSON) -> String {
        let history = router["history"] ?? .null
        func word(_ name: String, _ object: JSON? = nil) -> String {
            TextTable.text(name, (object ?? history)[name] ?? .null)
        }
        var text = "vrrp \(word("name", router)): \(word("why", router))\n"
        text +=
            "last \(word("window_s")) s: \(word("sent")) adverts sent, \(word("seen")) seen, \(word("refused")) refused\n"
        let delays = history["scheduling_delay"]
        let longest = delays?["longest_us"]?.integer ?? 0
        let classes = (delays?.members ?? []).filter { $0.name != "longest_us" && $0.value.integer ?? 0 > 0 }.map {
            "\($0.name.replacing("_", with: " ")) \($0.value.integer ?? 0)"
        }
        text += "this process was late by at most \(longest) us; timers: \(classes.joined(separator: ", "))\n"
        for (title, name) in [("changes of role", "transitions"), ("refused adverts", "refusals")] {
            let rows = history[name]?.array ?? []
            if !rows.isEmpty { text += "\(title):\n" + TextTable(rows).text }
        }
        let rows = (history["rows"]?.array ?? []).suffix(shownRows).compactMap { row -> JSON? in
            guard let values = row.array, values.count == 5 else { return nil }
            return [
                "seconds_ago": values[0], "sent": values[1], "seen": values[2], "refused": values[3],
                "late_us": values[4],
            ]
        }
        if !rows.isEmpty { text += "second by second:\n" + TextTable(rows).text }
        return text
    }
}
