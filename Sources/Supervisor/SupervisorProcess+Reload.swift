// From a request to reload to its answer.

import Configuration
import Control
import Linux
import TLS
import Telemetry
import Wire

extension SupervisorProcess {
    /// Reads the files again and puts what they say into force, or says why not.
    ///
    /// - Parameter asker: who wants to know; `nil`: a signal.
    func reload(_ asker: AdminConnection?) {
        func refuse(_ reason: String) {
            log.error("The reload is refused; nothing has changed.", ["because": reason])
            asker?.answer(AdminConnection.refusal(reason))
        }
        guard !supervision.isStopping else { return refuse("the daemon is stopping") }
        guard upgrading == nil, probation == nil else { return refuse("an upgrade is going on") }
        guard pending == nil else { return refuse("another reload is not finished yet") }
        let loaded: LoadedConfiguration
        do throws(LoadedConfiguration.Refusal) {
            loaded = try LoadedConfiguration(path: settings.configurationPath, node: settings.node)
        } catch {
            return refuse(error.description)
        }
        let difference = Configuration.Difference(
            from: current.loaded.configuration, to: loaded.configuration)
        guard !difference.needsRestart else {
            let lines = difference.changes.filter { $0.reload == .restart }.map(\.line)
            return refuse("only a restart can do this:\n" + lines.joined(separator: "\n"))
        }
        // The link and the keys of the tables' hashes are made from it once: half of the daemon would live by the old one
        // until the next crash, which would then find no table it can read.
        guard loaded.pairSecret == current.loaded.pairSecret else {
            return refuse("only a restart can do this:\npair: the contents of the secret file changed (restart)")
        }
        // It may be over at once: where no child serves, none has a vote.
        if let asker { reloadAskers.append(asker) }
        do throws(Errno) { try propose(loaded, difference) } catch {
            reloadAskers.removeAll { $0 === asker }
            refuse(error.description)
        }
    }

    /// Opens what a new generation needs, and has the children vote on it.
    ///
    /// - Throws: `Errno` of what could not be opened; nothing has changed then.
    func propose(_ loaded: LoadedConfiguration, _ difference: Configuration.Difference) throws(Errno) {
        lastGeneration += 1
        let number = lastGeneration
        do throws(Errno) {
            let generation = Generation(
                number: number, loaded: loaded, named: try holdings.open(for: loaded),
                bundle: FileDescriptorBox(try loaded.bundle.sealed()))
            pending = (generation, difference)
        } catch {
            holdings.keep(only: current.named)
            throw error
        }
        notify.reloading(at: Clock.now)
        tell(.reload(roles: roles(of: loaded.configuration), generation: number))
    }

    func reloadEnded(_ outcome: Supervision.ReloadOutcome) {
        guard let pending else { return }
        self.pending = nil
        let answer: JSON
        switch outcome {
        case .committed(let number):
            let files = pending.generation.loaded.changedFiles(since: current.loaded)
            current = pending.generation
            adoptStopTimes()
            certificates.committed(current.loaded.judgedStamps)
            log.adopt(current.loaded.configuration.log)
            log.notice(
                "The configuration was reloaded.",
                ["generation": number, "changes": pending.difference.changes.count + files.count])
            answer = [
                "ok": true, "generation": JSON(number),
                "changes": .array((pending.difference.changes.map(\.line) + files).map { .string($0) }),
                "warnings": .string(pending.generation.loaded.warnings),
            ]
        case .refused(_, let reason):
            certificates.refused(reason)
            log.error("The reload is refused; nothing has changed.", ["because": reason])
            answer = AdminConnection.refusal(reason)
        }
        holdings.keep(only: current.named)
        // Before anybody hears of it: who follows lives by what was answered.
        leave()
        if let reconciled {
            if case .committed = outcome { reconciled(true) } else { reconciled(false) }
        }
        for asker in reloadAskers { asker.answer(answer) }
        reloadAskers = []
        if !supervision.isStopping { notify.ready(statusLine) }
    }
}
