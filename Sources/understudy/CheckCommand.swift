// `understudy check`: reads the configuration and says what it means, or what is wrong with it.

import Configuration
import Linux
import Supervisor
import Wire

/// `understudy check [FILE] [--node NAME] [--json]`.
enum CheckCommand {
    static let subcommand = Understudy.Subcommand(
        name: "check", arguments: "[FILE] [--node NAME] [--json]", purpose: "read the configuration, say what it means",
        run: run)

    static func run(_ arguments: [String]) -> Int32 {
        var path: String?
        var node: String?
        var isJSON = false
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--json": isJSON = true
            case "--node":
                guard let name = rest.popFirst() else {
                    return Understudy.wrongUsage("--node needs a name", of: subcommand)
                }
                node = name
            case _ where argument.hasPrefix("-"):
                return Understudy.wrongUsage("unknown option \"\(argument)\"", of: subcommand)
            case _ where path != nil: return Understudy.wrongUsage("more than one file", of: subcommand)
            default: path = argument
            }
        }
        return check(path ?? SystemFacts.configurationPath, node: node, isJSON: isJSON)
    }

    private static func check(_ path: String, node: String?, isJSON: Bool) -> Int32 {
        let outcome: Checker.Outcome
        do throws(Errno) {
            outcome = try SystemFacts.configuration(path, node: node)
        } catch {
            Understudy.complain("understudy: cannot read the configuration: \(error)\n")
            return Understudy.Status.refused
        }
        if isJSON {
            print(outcome.json.prettyText)
        } else {
            let messages = outcome.text
            if !messages.isEmpty { Understudy.complain(messages + "\n") }
            if let configuration = outcome.configuration { print(Explanation(configuration).text, terminator: "") }
        }
        // What the file alone does not tell.
        let refusals = outcome.configuration.map { ScriptCheck.refusals($0) + HookCheck.refusals($0) } ?? []
        for refusal in refusals { Understudy.complain("understudy: \(refusal)\n") }
        return outcome.configuration == nil || !refusals.isEmpty ? Understudy.Status.refused : Understudy.Status.done
    }
}
