// `understudy events`: follows who holds the addresses, as it happens.

import Failover
import Linux
import Supervisor
import Wire

/// `understudy events [--keepalived]`.
enum EventsCommand {
    static let subcommand = Understudy.Subcommand(
        name: "events", arguments: "[--keepalived] " + Daemon.usage,
        purpose: "follow changes of role: JSON lines, or keepalived's", run: run)

    /// Nothing may happen for years.
    private static let patience: Duration = .seconds(10 * 365 * 86_400)

    static func run(_ arguments: [String]) -> Int32 {
        let options: CommandLineOptions
        do throws(CommandLineOptions.Wrong) {
            options = try CommandLineOptions(
                arguments, flags: ["--keepalived"], values: Daemon.options, words: 0...0)
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
        var lines = KeepalivedLines()
        var refusal: String?
        do throws(AdminClient.Failure) {
            try AdminClient.ask(Daemon.socketPath(options), ["command": "events"], patience: patience) { event in
                if event["ok"]?.bool == false { return refusal = event["error"]?.string ?? "the daemon says no" }
                guard let line = options.has("--keepalived") ? lines.line(of: event) : event.text else { return }
                // Nobody reads any more: a signal ends this program, or the next write fails as well.
                _ = try? Descriptor.writeAll(1, Array((line + "\n").utf8))
            }
        } catch {
            refusal = error.description
        }
        // The daemon has ended, which is news too: whoever follows starts this again.
        Understudy.complain("understudy: \(refusal ?? "the daemon has ended")\n")
        return Understudy.Status.refused
    }
}
