// `understudy drain`, `enable`, `disable` and `weight`: orders about one server.

import Wire

/// What an operator does with a server.
enum ServerCommands {
    static let drain = Understudy.Subcommand(
        name: "drain", arguments: "SERVER [--rate N/s] " + Daemon.usage,
        purpose: "give a server no new sessions; close its own at a rate", run: { run("drain", $0) })
    static let enable = Understudy.Subcommand(
        name: "enable", arguments: "SERVER " + Daemon.usage, purpose: "give a server sessions again",
        run: { run("enable", $0) })
    static let disable = Understudy.Subcommand(
        name: "disable", arguments: "SERVER " + Daemon.usage, purpose: "take a server out of service",
        run: { run("disable", $0) })
    static let weight = Understudy.Subcommand(
        name: "weight", arguments: "SERVER N " + Daemon.usage, purpose: "give a server another share",
        run: { run("weight", $0) })

    private static func subcommand(_ name: String) -> Understudy.Subcommand {
        [drain, enable, disable].first { $0.name == name } ?? weight
    }

    private static func run(_ name: String, _ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let count = name == "weight" ? 2 : 1
            let values = name == "drain" ? Daemon.options.union(["--rate"]) : Daemon.options
            let options = try CommandLineOptions(arguments, values: values, words: count...count)
            var request = [JSON.Member("command", .string(name)), JSON.Member("server", .string(options.words[0]))]
            if let text = options.value("--rate") { request.append(JSON.Member("rate", JSON(try rate(text)))) }
            if name == "weight" {
                guard let weight = Int(options.words[1]) else {
                    throw CommandLineOptions.Wrong(message: "a weight is a number, not \"\(options.words[1])\"")
                }
                request.append(JSON.Member("weight", JSON(weight)))
            }
            guard let answer = Daemon.ask(.object(request), options) else { return Understudy.Status.refused }
            let servers = answer["servers"]?.array ?? []
            print(servers.isEmpty ? "done" : TextTable(servers).text, terminator: servers.isEmpty ? "\n" : "")
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand(name))
        }
    }

    /// `50/s`.
    private static func rate(_ text: String) throws(CommandLineOptions.Wrong) -> Int {
        guard text.hasSuffix("/s"), let rate = Int(text.dropLast(2)), rate > 0 else {
            throw CommandLineOptions.Wrong(message: "--rate needs a rate such as 50/s, not \"\(text)\"")
        }
        return rate
    }
}
