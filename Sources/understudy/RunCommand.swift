// `understudy run`: the daemon, in the foreground.

import Proxy
import Supervisor

/// `understudy run [--config FILE] [--node NAME]`.
enum RunCommand {
    static let subcommand = Understudy.Subcommand(
        name: "run", arguments: "[--config FILE] [--node NAME]", purpose: "the daemon, in the foreground", run: run)

    static func run(_ arguments: [String]) -> Int32 {
        do {
            let options = try CommandLineOptions(arguments, values: ["--config", "--node"], words: 0...0)
            return try SupervisorProcess.run(
                SupervisorProcess.Settings(
                    configurationPath: options.value("--config") ?? SystemFacts.configurationPath,
                    node: options.value("--node"), layout: LayoutCommand.layout, loops: LoopCount.effective,
                    tableBytes: TableMemory.bytes))
        } catch let wrong as CommandLineOptions.Wrong {
            return Understudy.wrongUsage(wrong.message, of: subcommand)
        } catch {
            Understudy.complain("understudy: \(error)\n")
            return Understudy.Status.refused
        }
    }
}
