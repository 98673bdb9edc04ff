// `understudy keygen`: writes the secret the two hosts share.

import Configuration
import Linux
import TLS

/// `understudy keygen [FILE]`.
enum KeygenCommand {
    static let subcommand = Understudy.Subcommand(
        name: "keygen", arguments: "[FILE] [--config FILE]", purpose: "write the pair's secret; copy it to both hosts",
        run: run)

    private static let defaultPath = "/etc/understudy/pair.key"

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try CommandLineOptions(arguments, values: ["--config"], words: 0...1)
            let path = options.words.first ?? path(options)
            try File.create(path, mode: 0o600, PairSecret.generate().fileContents)
            print("\(path) is written; copy it to the other host, readable by root only")
            return Understudy.Status.done
        } catch let wrong as CommandLineOptions.Wrong {
            return Understudy.wrongUsage(wrong.message, of: subcommand)
        } catch let error as Errno where error.code == Errno.exists {
            Understudy.complain("understudy: there is a file already, and it is not overwritten: \(error.call)\n")
        } catch {
            Understudy.complain("understudy: \(error)\n")
        }
        return Understudy.Status.refused
    }

    /// Where the configuration says the secret is.
    private static func path(_ options: CommandLineOptions) -> String {
        let file = options.value("--config") ?? SystemFacts.configurationPath
        let outcome = try? SystemFacts.configuration(file, node: nil)
        return outcome?.configuration?.pair?.secretPath ?? defaultPath
    }
}
