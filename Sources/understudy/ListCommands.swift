// `understudy clients` and `table`: long answers, shown as they come.

import Wire

/// `understudy clients [--server S] [--original ID] [--json]`.
enum ClientsCommand {
    static let subcommand = Understudy.Subcommand(
        name: "clients", arguments: "[--server SERVER] [--original CLIENT] [--json] " + Daemon.usage,
        purpose: "who is connected where, since when", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(
                arguments, flags: ["--json"], values: Daemon.options.union(["--server", "--original"]), words: 0...0)
            var request = [JSON.Member("command", "clients")]
            if let server = options.value("--server") { request.append(JSON.Member("server", .string(server))) }
            if let original = options.value("--original") {
                request.append(JSON.Member("original", .string(original)))
            }
            return Listing.show(.object(request), options)
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }
}

/// `understudy table NAME [--key K] [--clear | --set S] [--json]`.
enum TableCommand {
    static let subcommand = Understudy.Subcommand(
        name: "table", arguments: "NAME [--key CLIENT] [--clear | --set SERVER] [--json] " + Daemon.usage,
        purpose: "look into a stick table, or change it", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(
                arguments, flags: ["--json", "--clear"], values: Daemon.options.union(["--key", "--set"]), words: 1...1)
            var request = [JSON.Member("command", "table"), JSON.Member("table", .string(options.words[0]))]
            if let key = options.value("--key") { request.append(JSON.Member("key", .string(key))) }
            if options.has("--clear") { request.append(JSON.Member("clear", true)) }
            if let server = options.value("--set") {
                guard options.value("--key") != nil, !options.has("--clear") else {
                    throw CommandLineOptions.Wrong(message: "--set needs --key, and goes without --clear")
                }
                request.append(JSON.Member("set", .string(server)))
            }
            return Listing.show(.object(request), options)
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }
}

/// Answers of many lines.
enum Listing {
    /// Rows that share the widths of one heading; a longer list repeats it.
    private static let page = 1000

    /// Shows an answer as JSON lines, or as a table.
    static func show(_ request: JSON, _ options: CommandLineOptions) -> Int32 {
        var rows: [JSON] = []
        func flush() {
            if !rows.isEmpty { print(TextTable(rows).text, terminator: "") }
            rows = []
        }
        let isDone = Daemon.stream(request, options) { line in
            if options.has("--json") {
                print(line.text)
            } else {
                rows.append(line)
                if rows.count == page { flush() }
            }
        }
        flush()
        return isDone ? Understudy.Status.done : Understudy.Status.refused
    }
}
