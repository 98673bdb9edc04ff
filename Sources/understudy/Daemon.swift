// The running daemon, as the commands see it.

import Configuration
import Linux
import Supervisor
import Wire

/// Asks the daemon through its admin socket.
enum Daemon {
    /// Options every command that talks to the daemon takes.
    static let options: Set<String> = ["--config", "--socket", "--node"]
    /// The same for the usage.
    static let usage = "[--config FILE | --socket PATH]"

    /// How long the daemon may take for an ordinary answer.
    static let patience: Duration = .seconds(5)
    /// How long it may take for what children have to agree on or finish.
    static let longPatience: Duration = .seconds(40)

    /// Where the daemon listens: as told, as the configuration says, or where it listens by default.
    static func socketPath(_ options: CommandLineOptions) -> String {
        if let path = options.value("--socket") { return path }
        let path = options.value("--config") ?? SystemFacts.configurationPath
        let outcome = try? SystemFacts.configuration(path, node: options.value("--node"))
        return outcome?.configuration?.admin.socketPath ?? Configuration.AdminSettings().socketPath
    }

    /// Asks, and gives the answer when the daemon said yes. Otherwise says why not, on standard error.
    static func ask(
        _ request: JSON, _ options: CommandLineOptions, patience: Duration = patience
    ) -> JSON? {
        do throws(AdminClient.Failure) {
            let answer = try AdminClient.ask(socketPath(options), request, patience: patience)
            guard let refusal = refusal(answer) else { return answer }
            Understudy.complain("understudy: \(refusal)\n")
        } catch {
            Understudy.complain("understudy: \(error)\n")
        }
        return nil
    }

    /// Asks, and gives each line of a long answer but the last, as it comes.
    ///
    /// - Returns: whether the last line said yes.
    static func stream(_ request: JSON, _ options: CommandLineOptions, each: (JSON) -> Void) -> Bool {
        var last: JSON?
        do throws(AdminClient.Failure) {
            try AdminClient.ask(socketPath(options), request, patience: longPatience) { line in
                if line["ok"] == nil { each(line) } else { last = line }
            }
        } catch {
            Understudy.complain("understudy: \(error)\n")
            return false
        }
        guard let last else {
            Understudy.complain("understudy: the answer is not complete\n")
            return false
        }
        guard let refusal = refusal(last) else { return true }
        Understudy.complain("understudy: \(refusal)\n")
        return false
    }

    /// Why the daemon said no; `nil` when it said yes.
    private static func refusal(_ answer: JSON) -> String? {
        guard answer["ok"]?.bool != true else { return nil }
        return answer["error"]?.string ?? "the daemon says no, and not why"
    }
}
