// `understudy upgrade`: moves the running daemon to another program with all its sessions.

import Linux
import Supervisor
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
            guard answer["draining"] == true else {
                if let warning = answer["warning"]?.string { Understudy.complain("understudy: \(warning)\n") }
                print("upgraded to version \(version) from \(answer["from"]?.string ?? "?")")
                return Understudy.Status.done
            }
            let within = Duration.milliseconds(answer["within_ms"]?.integer ?? 0)
            print("draining; version \(version) starts within \(within.text)")
            if let problem = follow(answer["pid"]?.integer, within, Daemon.socketPath(options)) {
                Understudy.complain("understudy: \(problem)\n")
                return Understudy.Status.refused
            }
            print("version \(version) serves")
            return Understudy.Status.done
        } catch {
            return Understudy.wrongUsage(error.message, of: subcommand)
        }
    }

    /// How often the daemon is looked at while it drains.
    private static let lookPause: Duration = .milliseconds(200)

    /// Looks on until the new program serves in the process that drains.
    ///
    /// - Returns: why that did not come about; `nil`: it did.
    private static func follow(_ pid: Int64?, _ within: Duration, _ socket: String) -> String? {
        let deadline = Clock.now + within + Daemon.longPatience
        var problem = "the new program does not serve in time; see understudy status"
        while Clock.now < deadline {
            ProcessSelf.pause(lookPause)
            let status: JSON
            do throws(AdminClient.Failure) {
                status = try AdminClient.ask(socket, ["command": "status"], patience: Daemon.patience)
            } catch {
                // Between the two programs nobody answers.
                problem = "nobody answers any more: \(error)"
                continue
            }
            guard status["pid"]?.integer == pid else {
                return "the daemon has ended; version \(status["version"]?.string ?? "?") was started as another process"
            }
            if status["stopping"] == true {
                if status["upgrading"]?.string == nil { return "the daemon was told to stop; nothing follows it" }
                continue
            }
            if let problem = status["upgrade_problem"]?.string {
                return "the new program does not start: \(problem); the known one serves again"
            }
            let phases = status["processes"]?.array?.compactMap { $0["phase"]?.string } ?? []
            if phases.contains("serving"), phases.allSatisfy({ $0 == "serving" || $0 == "off" }) { return nil }
        }
        return problem
    }
}
