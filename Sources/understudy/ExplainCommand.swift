// `understudy explain`: what the directive table knows about a word of the configuration language.

import Configuration

/// `understudy explain [DIRECTIVE]`.
enum ExplainCommand {
    static let subcommand = Understudy.Subcommand(
        name: "explain", arguments: "[DIRECTIVE]", purpose: "what a directive is for; all of them without one",
        run: run)

    static func run(_ arguments: [String]) -> Int32 {
        if let option = arguments.first(where: { $0.hasPrefix("-") }) {
            return Understudy.wrongUsage("unknown option \"\(option)\"", of: subcommand)
        }
        guard !arguments.isEmpty else {
            print(Directive.overview, terminator: "")
            return Understudy.Status.done
        }
        // Quoted or not, a directive of two words is the same.
        let words = arguments.flatMap { $0.split(separator: " ").map(String.init) }
        let phrase = words.joined(separator: " ")
        let directives = Directive.matching(words)
        guard !directives.isEmpty else {
            let near = Directive.suggestion(for: phrase).map { "; did you mean \"\($0)\"?" } ?? ""
            Understudy.complain("understudy: there is no directive \"\(phrase)\"\(near)\n")
            return Understudy.Status.refused
        }
        print(directives.map(\.explanation).joined(separator: "\n"), terminator: "")
        return Understudy.Status.done
    }
}
