// Carries out what the supervision decides about the children.

import Configuration
import Control
import Linux
import Telemetry
import Wire

extension SupervisorProcess {
    func obey(_ action: Supervision.Action) {
        switch action {
        case .spawn(let role, let generation): spawn(role, generation)
        case .link: link()
        case .prepare(let role, let generation): prepare(role, generation)
        case .commit(let role, let generation): children[role]?.commit(generation)
        case .cancel(let role, let generation): children[role]?.cancel(generation)
        case .stop(let role, let deadline): children[role]?.channel.send(.stop(deadline: deadline))
        case .kill(let role):
            do throws(Errno) { try children[role]?.process.send(Signals.kill) } catch {
                log.error("A child cannot be killed.", ["role": role.rawValue, "error": error])
            }
        case .ready:
            notify.ready(statusLine)
            log.notice("Ready.", ["after": (Clock.now - started).text])
        case .reloadEnded(let outcome): reloadEnded(outcome)
        case .report(let report): write(report)
        case .finished(let status):
            if let failure = supervision.failure { log.error("Understudy cannot start.", ["because": failure]) }
            log.notice("Understudy has ended.")
            finish(status)
        }
    }

    /// The generation of that number: what is committed, or what is being voted on.
    private func generation(_ number: UInt64) -> Generation {
        if let pending, pending.generation.number == number { return pending.generation }
        return current
    }

    // MARK: Starting

    private func spawn(_ role: ChildProcess.Role, _ generation: UInt64) {
        do throws(Errno) {
            let child = try ChildHandle(role, user: role == .balancer ? user : nil, on: loop)
            children[role] = child
            child.channel.onMessage = { [unowned self, unowned child] message, _ in receive(message, from: child) }
            child.channel.onClosed = { [unowned self] ending in
                if ending != .endOfFile {
                    log.error("A child broke the control protocol.", ["role": role.rawValue, "ending": ending])
                }
                tell(.channelLost(role))
            }
            try child.process.watch(on: loop) { [unowned self, unowned child] ending in ended(child, ending) }
            log.info("A child was started.", ["role": role.rawValue, "pid": child.process.pid])
            prepare(role, generation)
        } catch {
            // The supervision is in the middle of a decision; it hears of this next.
            if let child = children[role] {
                try? child.process.send(Signals.kill)
                child.channel.close()
                children[role] = nil
            }
            loop.schedule(at: Clock.now) { [unowned self] in
                tell(.spawnFailed(role, reason: error.description))
            }
        }
    }

    private func prepare(_ role: ChildProcess.Role, _ number: UInt64) {
        guard let child = children[role] else { return }
        let generation = generation(number)
        // `vip` needs none of the balancer's sockets, and has rights that should not meet them.
        let named = generation.named.filter { $0.key.isForVip == (role == .vip) }
        if !child.prepare(number, generation.bundle.descriptor.number, named) {
            log.error("A child does not take its configuration.", ["role": role.rawValue])
        }
    }

    private func link() {
        guard let vip = children[.vip], let balancer = children[.balancer] else { return }
        do throws(Errno) {
            let pair = try Socket.messagePair()
            vip.channel.send(.balancerLink, [pair.first.number])
            balancer.channel.send(.vipLink, [pair.second.number])
        } catch {
            log.error("The children cannot be linked.", ["error": error])
        }
    }

    // MARK: Listening

    private func receive(_ message: ChildMessage, from child: ChildHandle) {
        let role = child.role
        switch message {
        case .beat: tell(.beat(role))
        case .prepared(let generation): tell(.prepared(role, generation: generation))
        case .refused(let generation, let reason): tell(.refused(role, generation: generation, reason: reason))
        case .serving(let generation): tell(.serving(role, generation: generation))
        case .reply(let id, let answer): questions.answered(id, answer)
        case .state(let line):
            child.state = line
            if !supervision.isStopping { notify.status(statusLine) }
        }
    }

    private func ended(_ child: ChildHandle, _ ending: Process.Ending) {
        child.channel.close()
        children[child.role] = nil
        questions.lost(child.role)
        tell(.exited(child.role, how: ending.description))
    }

    // MARK: Telling people

    /// One line for `systemctl status`.
    var statusLine: String {
        let parts = ChildProcess.Role.allCases.sorted().compactMap { role -> String? in
            let phase = supervision.phase(role)
            guard phase != "off" else { return nil }
            let state = supervision.isServing(role) ? children[role]?.state ?? phase : phase
            return "\(role.rawValue): \(state)"
        }
        return parts.joined(separator: "; ")
    }

    private func write(_ report: Supervision.Report) {
        switch report {
        case .silent(let role): log.error("A child is silent and is killed.", ["role": role.rawValue])
        case .late(let role): log.error("A child does not serve in time and is killed.", ["role": role.rawValue])
        case .refusedToStart(let role, let reason):
            log.error("A child refuses its configuration.", ["role": role.rawValue, "because": reason])
        case .ended(let role, let how): log.error("A child has ended.", ["role": role.rawValue, "how": how])
        case .restarting(let role, let pause):
            log.notice("A child is restarted.", ["role": role.rawValue, "after": pause.text])
            notify.status(statusLine)
        case .crashLoop(let role):
            log.error("A child dies again and again; it is restarted less often.", ["role": role.rawValue])
        }
    }
}
