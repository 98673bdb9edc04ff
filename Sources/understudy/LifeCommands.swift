// `understudy reload`, `stop` and `step-down`: orders to the whole daemon.

import Configuration
import Supervisor
import Wire

/// `understudy reload`.
enum ReloadCommand {
    static let subcommand = Understudy.Subcommand(
        name: "reload", arguments: Daemon.usage, purpose: "apply the file to the running daemon, or say why not",
        run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(arguments, values: Daemon.options, words: 0...0)
            guard let answer = Daemon.ask(["command": "reload"], options, patience: Daemon.longPatience) else {
                return Understudy.Status.refused
            }
            if let warnings = answer["warnings"]?.string, !warnings.isEmpty { Understudy.complain(warnings + "\n") }
            let changes = answer["changes"]?.array?.compactMap(\.string) ?? []
            print(changes.isEmpty ? "reloaded; nothing is different" : "reloaded:")
            for change in changes { print("  \(change)") }
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }
}

/// `understudy stop`.
enum StopCommand {
    static let subcommand = Understudy.Subcommand(
        name: "stop", arguments: Daemon.usage, purpose: "release the address, then end the daemon", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(arguments, values: Daemon.options, words: 0...0)
            guard Daemon.ask(["command": "stop"], options, patience: patience(options)) != nil else {
                return Understudy.Status.refused
            }
            print("stopped")
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }

    /// How long the daemon may take by its own word: sessions that drain may have been given an hour. A daemon that does not say is asked
    /// all the same.
    private static func patience(_ options: CommandLineOptions) -> Duration {
        let status = try? AdminClient.ask(Daemon.socketPath(options), ["command": "status"], patience: Daemon.patience)
        let longest = status?["stop_within_ms"]?.integer ?? 0
        return Daemon.longPatience + .milliseconds(longest)
    }
}

/// `understudy step-down [--for D] [--force]`.
enum StepDownCommand {
    static let subcommand = Understudy.Subcommand(
        name: "step-down", arguments: "[--for DURATION] [--force] " + Daemon.usage,
        purpose: "hand the virtual address to the other host", run: run)

    /// Hooks that come before a release may take two minutes together; the addresses wait for them.
    private static let patience: Duration = .seconds(150)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(
                arguments, flags: ["--force"], values: Daemon.options.union(["--for"]), words: 0...0)
            var request = [JSON.Member("command", "step-down")]
            if options.has("--force") { request.append(JSON.Member("force", true)) }
            if let text = options.value("--for") {
                guard let duration = Duration(text: text), duration >= .milliseconds(1) else {
                    throw CommandLineOptions.Wrong(message: "--for needs a duration such as 10m, not \"\(text)\"")
                }
                request.append(JSON.Member("for_ms", JSON(duration.wholeMilliseconds)))
            }
            guard let answer = Daemon.ask(.object(request), options, patience: patience) else {
                return Understudy.Status.refused
            }
            let names = answer["handed_over"]?.array?.compactMap(\.string) ?? []
            let released = answer["released"]?.array?.compactMap(\.string) ?? []
            if !released.isEmpty { print("released, and nobody is heard to take over: \(released.joined(separator: ", "))") }
            if !names.isEmpty { print("handed over: \(names.joined(separator: ", "))") }
            if names.isEmpty, released.isEmpty { print("this host was not active; it takes no address for now") }
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }
}
