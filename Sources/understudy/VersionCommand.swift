// `understudy version`: which program this is.

/// `understudy version`.
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
        name: "version", arguments: "", purpose: "which version this is", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.isEmpty else { return Understudy.wrongUsage("version takes no arguments", of: subcommand) }
        print("understudy \(version)")
        return Understudy.Status.done
    }
}
