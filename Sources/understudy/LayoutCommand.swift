// `understudy layout`: what this program can take over from another version of itself.

import Configuration
import Control
import Linux
import Proxy
import Supervisor
import Wire

/// `understudy layout [--config FILE] [--node NAME]`: asked by a running daemon before an upgrade, so not in the usage.
enum LayoutCommand {
    static let name = "layout"

    /// What this program leaves, and can take over.
    static let layout = ProgramLayout(
        version: VersionCommand.version, sessions: SessionLayout.version, supervisor: SupervisorProcess.stateVersion)

    /// Octets of what is said about a configuration that is refused.
    private static let complaintLimit = 4096

    /// Prints one line of JSON; with `--config` also whether this program takes that configuration.
    static func run(_ arguments: [String]) -> Int32 {
        let options: CommandLineOptions
        do throws(CommandLineOptions.Wrong) {
            options = try CommandLineOptions(arguments, values: ["--config", "--node"], words: 0...0)
        } catch {
            return Understudy.wrongUsage(error.message)
        }
        var layout = layout
        if let path = options.value("--config") {
            do throws(Errno) {
                let outcome = try SystemFacts.configuration(path, node: options.value("--node"))
                if outcome.configuration == nil {
                    layout.complaint = String(decoding: outcome.text.utf8.prefix(complaintLimit), as: UTF8.self)
                }
            } catch {
                layout.complaint = "cannot read the configuration: \(error)"
            }
        }
        print(layout.json.text)
        return Understudy.Status.done
    }
}
