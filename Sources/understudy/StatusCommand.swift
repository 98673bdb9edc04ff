// `understudy status`: how this host is doing.

import Linux
import Wire

/// `understudy status [--full] [--json] [--watch]`.
enum StatusCommand {
    static let subcommand = Understudy.Subcommand(
        name: "status", arguments: "[--full | --json] [--watch] " + Daemon.usage,
        purpose: "role, servers, sessions, peer, lag", run: run)

    /// How often `--watch` asks.
    private static let interval: Duration = .seconds(1)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(
                arguments, flags: ["--full", "--json", "--watch"], values: Daemon.options, words: 0...0)
            guard options.has("--watch") else { return show(options) }
            return watch(options)
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }

    private static func show(_ options: CommandLineOptions) -> Int32 {
        guard let answer = Daemon.ask(["command": "status"], options) else { return Understudy.Status.refused }
        write(options.has("--json") ? answer.prettyText + "\n" : render(answer, options))
        return Understudy.Status.done
    }

    private static func render(_ status: JSON, _ options: CommandLineOptions) -> String {
        options.has("--full") ? StatusText(status).text : StatusSummary(status).text
    }

    /// Shows the status again and again, until it is interrupted or nobody reads.
    private static func watch(_ options: CommandLineOptions) -> Int32 {
        let clear = "\u{1B}[H\u{1B}[2J"
        while true {
            let answer = Daemon.ask(["command": "status"], options)
            let text = answer.map { options.has("--json") ? $0.text + "\n" : render($0, options) } ?? ""
            guard write(options.has("--json") ? text : clear + text) else { return Understudy.Status.done }
            ProcessSelf.pause(interval)
        }
    }

    /// - Returns: whether somebody reads.
    @discardableResult
    private static func write(_ text: String) -> Bool {
        (try? Descriptor.writeAll(1, Array(text.utf8))) != nil
    }
}
