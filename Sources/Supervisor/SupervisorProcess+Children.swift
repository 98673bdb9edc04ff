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
        case .drain(let role, let deadline):
            let rate = current.loaded.configuration.drain.rate ?? 0
            children[role]?.channel.send(.drain(deadline: deadline, rate: UInt32(clamping: rate)))
        case .kill(let role):
            do throws(Errno) { try children[role]?.process.send(Signals.kill) } catch {
                log.error("A child cannot be killed.", ["role": role.rawValue, "error": error])
            }
        case .replace(let role): replace(role)
        case .abandon(let role):
            children[role]?.channel.close()
            children[role] = nil
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
            let child = try ChildHandle(
                role, user: role == .balancer ? user : nil, program: upgrading?.program(for: role), on: loop)
            children[role] = child
            try attend(child)
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
                // First: what is started next is the known program.
                tellUpgrade(.died(role))
                tell(.spawnFailed(role, reason: error.description))
            }
        }
    }

    /// Listens to a child, and waits for its end.
    func attend(_ child: ChildHandle) throws(Errno) {
        let role = child.role
        child.channel.onMessage = { [unowned self, unowned child] message, _ in receive(message, from: child) }
        child.channel.onClosed = { [unowned self] ending in
            if ending != .endOfFile {
                log.error("A child broke the control protocol.", ["role": role.rawValue, "ending": ending])
            }
            tell(.channelLost(role))
        }
        try watch(child)
    }

    private func watch(_ child: ChildHandle) throws(Errno) {
        let process = child.process
        try process.watch(on: loop, reapingAfter: Self.reapingPause) { [unowned self, unowned process, weak child] ending in
            // A process that was followed already is nobody's any more.
            guard let child, child.process === process else { return }
            ended(child, ending)
        }
    }

    // MARK: Succession

    /// How often, and how long, a successor is waited for to become ours: its holder is its parent until it ends.
    private static let adoptionPause: Duration = .milliseconds(2)
    private static let adoptionTries = 2000
    /// A child that has ended is reaped when those who wait for its successor are served.
    private static let reapingPause: Duration = .milliseconds(400)

    /// A process says that it took the place of the child's process. It is believed when it is a child of ours and the
    /// one before it is gone.
    private func succeed(_ child: ChildHandle, pid: Int32, tries: Int = adoptionTries) {
        guard children[child.role] === child, child.channel.isOpen, child.claimant == pid else { return }
        let isDue = supervision.phase(child.role) == "succeeding"
        if isDue, let process = ChildHandle.process(pid, keeper: kept.words.keeper) {
            child.succeeded(by: process)
            do throws(Errno) { try watch(child) } catch {
                log.error("A successor cannot be watched.", ["pid": pid, "error": error])
                child.channel.close()
                tell(.channelLost(child.role))
                return
            }
            log.notice("A successor has come.", ["role": child.role.rawValue, "pid": pid])
            tell(.succeeded(child.role))
            return
        }
        guard tries > 0 else {
            log.error("A process claims to be a successor and is none.", ["pid": pid])
            child.channel.close()
            tell(.channelLost(child.role))
            return
        }
        loop.schedule(at: Clock.now + Self.adoptionPause) { [weak self, weak child] in
            guard let self, let child else { return }
            succeed(child, pid: pid, tries: tries - 1)
        }
    }

    /// How often orphans are looked for, and whether this process's own holder still lives.
    private static let orphanInterval: Duration = .milliseconds(200)

    /// Reaps what came to us because its parent ended: holders, what tracking scripts left.
    func reapOrphans() {
        // What is watched is reaped by whoever watches it.
        Orphans.reap(except: asked.union(children.values.map(\.process.pid) + [kept.words.holder]))
        kept.keep()
        loop.schedule(at: Clock.now + Self.orphanInterval) { [unowned self] in reapOrphans() }
    }

    private func prepare(_ role: ChildProcess.Role, _ number: UInt64) {
        guard let child = children[role] else { return }
        if role == .balancer, child.isNew { renewLoops(number) }
        let generation = generation(number)
        // `vip` needs none of the balancer's sockets, and has rights that should not meet them.
        let named = generation.named.filter { $0.key.isForVip == (role == .vip) }
        if !child.prepare(number, generation.bundle.descriptor.number, named) {
            log.error("A child does not take its configuration.", ["role": role.rawValue])
        }
    }

    /// Opens what a balancer needs that may have another number of loops than the one before it.
    private func renewLoops(_ number: UInt64) {
        let loaded = generation(number).loaded
        guard holdings.renewLoops(for: loaded.configuration) else { return }
        do throws(Errno) {
            let named = try holdings.open(for: loaded)
            if pending?.generation.number == number { pending?.generation.named = named } else { current.named = named }
            holdings.keep(only: current.named.merging(pending?.generation.named ?? [:]) { first, _ in first })
        } catch {
            log.error("The sockets of another number of loops cannot be opened.", ["error": error])
        }
    }

    private func link() {
        guard let vip = children[.vip], let balancer = children[.balancer] else { return }
        do throws(Errno) {
            let pair = try Socket.messagePair()
            vip.channel.send(.balancerLink, [pair.first.number, balancer.process.end])
            balancer.channel.send(.vipLink, [pair.second.number])
        } catch {
            log.error("The children cannot be linked.", ["error": error])
        }
    }

    /// Lets the balancer's one thread that says it lives come before ordinary threads: on a busy machine it would be taken
    /// for dead otherwise. It has no right to that itself.
    private func makePunctual(_ thread: Int32, of child: ChildHandle) {
        guard child.role == .balancer else { return }
        do throws(Errno) {
            try ProcessSelf.setRealtime(
                thread: thread, of: child.process.pid, priority: ChildProcess.heartbeatPriority)
        } catch {
            log.warning("The balancer's heartbeat does not come before other threads.", ["error": error])
        }
    }

    // MARK: Listening

    private func receive(_ message: ChildMessage, from child: ChildHandle) {
        let role = child.role
        switch message {
        case .beat: tell(.beat(role))
        case .prepared(let generation): tell(.prepared(role, generation: generation))
        case .refused(let generation, let reason): tell(.refused(role, generation: generation, reason: reason))
        case .serving(let generation):
            let isFirst = !supervision.isServing(role)
            tell(.serving(role, generation: generation))
            if role == .balancer, isFirst, supervision.isServing(role) { repeatOrders() }
            if supervision.isServing(role) { tellUpgrade(.serving(role, isNew: isNewProgram(child))) }
        case .held:
            child.isHeld = true
            leave()
        case .program(let file):
            child.program = file
            leave()
        case .drained: tell(.drained(role))
        case .heartbeat(let thread): makePunctual(thread, of: child)
        case .succeeded(let pid):
            // Said again, it is waited for already.
            guard child.claimant != pid else { break }
            child.claimant = pid
            leave()
            succeed(child, pid: pid)
        case .gaveUp(let reason): tell(.gaveUp(role, reason: reason))
        case .reply(let id, let answer): questions.answered(id, answer)
        case .state(let line):
            child.state = line
            if !supervision.isStopping { notify.status(statusLine) }
        }
    }

    private func ended(_ child: ChildHandle, _ ending: Process.Ending) {
        questions.lost(child.role)
        if !supervision.isReplaced(child.role) { tellUpgrade(.died(child.role)) }
        // One that ends by itself has told its holder; otherwise the holder keeps the socket open.
        if child.isHeld, child.channel.isOpen, !ending.isClean, !supervision.isStopping {
            tell(.orphaned(child.role, how: ending.description))
            // Who has said so already need not say it again.
            if child.claimant != 0 { succeed(child, pid: child.claimant) }
            return
        }
        child.channel.close()
        children[child.role] = nil
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
        case .replaced(let role): log.notice("A child has ended to be replaced.", ["role": role.rawValue])
        case .restarting(let role, let pause):
            log.notice("A child is restarted.", ["role": role.rawValue, "after": pause.text])
            notify.status(statusLine)
        case .succeeded(let role):
            log.notice("A child was followed by another, which has its sessions.", ["role": role.rawValue])
            notify.status(statusLine)
        case .crashLoop(let role):
            log.error("A child dies again and again; it is restarted less often.", ["role": role.rawValue])
        }
    }
}
