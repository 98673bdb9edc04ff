// `understudy upgrade`: moves the running daemon to another program with all its sessions.

import Linux
import Wire

/// `understudy upgrade [PATH] [--drain]`.
enum UpgradeCommand {
    static let subcommand = Understudy.Subcommand(
        name: "upgrade", arguments: "[PATH] [--drain] " + Daemon.usage,
        purpose: "move the running daemon to this program, or to PATH", run: run)

    /// The daemon watches the new program for a while before it becomes it.
    private static let patience: Duration = .seconds(90)

    static func run(_ arguments: [String]) -> Int32 {
        do throws(CommandLineOptions.Wrong) {
            let options = try CommandLineOptions(arguments, flags: ["--drain"], values: Daemon.options, words: 0...1)
            guard let path = options.words.first ?? FileTree.ownProgram else {
                Understudy.complain("understudy: /proc does not say which program this is\n")
                return Understudy.Status.refused
            }
            let absolute = path.hasPrefix("/") ? path : "\(File.currentDirectory)/\(path)"
            let request: JSON = [
                "command": "upgrade", "program": .string(absolute), "drain": JSON(options.has("--drain")),
            ]
            guard let answer = Daemon.ask(request, options, patience: patience) else {
                return Understudy.Status.refused
            }
            let version = answer["version"]?.string ?? "?"
            if answer["drained"] == true {
                print("drained; version \(version) starts")
            } else {
                if let warning = answer["warning"]?.string { Understudy.complain("understudy: \(warning)\n") }
                print("upgraded to version \(version) from \(answer["from"]?.string ?? "?")")
            }
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }
}
