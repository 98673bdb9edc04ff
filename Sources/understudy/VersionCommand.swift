// `understudy version`: which program this is.

import Configuration

/// `understudy version [--features]`.
enum VersionCommand {
    /// The version of this program; CHANGELOG.md tells what is in it.
    static let version = release + build

    private static let release = "0.1.0"
    #if CHAOS
        /// Another build, which tests upgrade to and from.
        private static let build = "+chaos"
    #else
        private static let build = ""
    #endif

    static let subcommand = Understudy.Subcommand(
        name: "version", arguments: "[--features]", purpose: "which version this is, and what is in it", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.isEmpty || arguments == ["--features"] else {
            return Understudy.wrongUsage("version takes --features and nothing else", of: subcommand)
        }
        print("understudy \(version)")
        if !arguments.isEmpty { for line in features { print(line) } }
        return Understudy.Status.done
    }

    /// A line for each directive that has a part of the program behind it, in its own words. Every build has them all.
    private static var features: [String] {
        let parts: [Directive.Context] = [.listen, .listenTLS, .backend, .stickTable, .vrrp, .pair, .status, .log]
        let words = ["protocol", "proxy-protocol", "rewrite client-id", "access", "balance", "check"]
        let found = parts.compactMap(\.opener) + words.compactMap { word in Directive.all.first { $0.name == word } }
        let width = found.map(\.name.count).max() ?? 0
        return found.map { $0.name + String(repeating: " ", count: width - $0.name.count + 2) + $0.meaning }
    }
}
