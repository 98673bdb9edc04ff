// The one program: finds the subcommand and runs it.

import Bench
import Configuration
import Glibc
import Linux

@main
enum Understudy {
    /// Exit statuses of every subcommand.
    enum Status {
        static let done: Int32 = 0
        /// The configuration or the daemon says no.
        static let refused: Int32 = 1
        static let wrongUsage: Int32 = 2
    }

    /// A subcommand: one file `XCommand.swift` with its `run`.
    struct Subcommand: Sendable {
        var name: String
        /// Its arguments, as the usage shows them.
        var arguments: String
        /// What it does, in half a sentence.
        var purpose: String
        var run: @Sendable ([String]) -> Int32
    }

    /// Every subcommand, in the order of the usage.
    static let subcommands = [
        RunCommand.subcommand, CheckCommand.subcommand, ReloadCommand.subcommand, UpgradeCommand.subcommand,
        StopCommand.subcommand,
        StatusCommand.subcommand, ClientsCommand.subcommand, TableCommand.subcommand, ServerCommands.drain,
        ServerCommands.enable, ServerCommands.disable, ServerCommands.weight, StepDownCommand.subcommand,
        VrrpCommand.subcommand, EventsCommand.subcommand,
        KeygenCommand.subcommand, ExplainCommand.subcommand, PortsCommand.subcommand, ReleaseCommand.subcommand, LabCommand.subcommand, BenchCommand.subcommand,
        TestCommand.subcommand,
        VersionCommand.subcommand,
    ]

    static func main() {
        exit(run(Array(CommandLine.arguments.dropFirst())))
    }

    private static func run(_ arguments: [String]) -> Int32 {
        guard let name = arguments.first else { return wrongUsage("a subcommand is missing") }
        if ["help", "-h", "--help"].contains(name) {
            print(usage, terminator: "")
            return Status.done
        }
        if let subcommand = subcommands.first(where: { $0.name == name }) {
            return subcommand.run(Array(arguments.dropFirst()))
        }
        if name == LayoutCommand.name { return LayoutCommand.run(Array(arguments.dropFirst())) }
        if arguments.count == 1, let status = RoleCommands.run(name) { return status }
        return wrongUsage(translation(of: arguments) ?? "there is no subcommand \"\(name)\"")
    }

    /// What people who know keepalived, HAProxy or NGINX should type here.
    private static func translation(of arguments: [String]) -> String? {
        let file = arguments.dropFirst().first { !$0.hasPrefix("-") } ?? "FILE"
        switch arguments[0] {
        case "-v", "-V", "--version": return "here it is: understudy version"
        case _ where arguments.contains("-t") || arguments[0] == "--config-test":
            return "here it is: understudy check \(file)"
        case "-c", "-f", "--use-file": return "here it is: understudy check \(file); the daemon: run --config \(file)"
        case "-s": return "here it is: understudy \(file)"
        default: return nil
        }
    }

    /// Says on standard error what was wrong with the command line; the answer is the exit status.
    ///
    /// - Parameter subcommand: whose usage is shown; `nil`: all of them.
    static func wrongUsage(_ message: String, of subcommand: Subcommand? = nil) -> Int32 {
        complain("understudy: \(message)\n" + (subcommand.map { "usage: \(line($0))\n" } ?? usage))
        return Status.wrongUsage
    }

    /// Runs a subcommand that speaks to an address: the user's mistakes get its usage, everything else its words.
    ///
    /// - Returns: the exit status.
    static func attempt(_ subcommand: Subcommand, _ body: () throws -> Int32) -> Int32 {
        do {
            return try body()
        } catch let error as CommandLineOptions.Wrong {
            return wrongUsage("\(subcommand.name): \(error.message)", of: subcommand)
        } catch let error as BenchURL.Wrong {
            return wrongUsage("\(subcommand.name): \(error.message)", of: subcommand)
        } catch {
            complain("understudy \(subcommand.name): \(error)\n")
            return Status.refused
        }
    }

    /// Writes to standard error; a closed standard error is nobody to complain to.
    static func complain(_ text: String) {
        try? Descriptor.writeAll(2, Array(text.utf8))
    }

    private static func line(_ subcommand: Subcommand) -> String {
        "understudy \(subcommand.name)" + (subcommand.arguments.isEmpty ? "" : " " + subcommand.arguments)
    }

    private static var usage: String {
        let lines = subcommands.map { subcommand in
            let line = "  " + Self.line(subcommand)
            return line + String(repeating: " ", count: max(2, 54 - line.utf8.count)) + subcommand.purpose + "\n"
        }
        return "usage:\n" + lines.joined()
    }
}
