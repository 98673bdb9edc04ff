// The supervisor as one of a row: what it leaves, how it goes on where another was, when its program is believed.

import Configuration
import Control
import Linux
import Telemetry
import Wire

/// The time in which a program that became the supervisor may still be left for the one before it.
struct Probation {
    /// Who ordered the upgrade.
    var asker: AdminConnection?
    /// The version before this one.
    var from: String
}

extension SupervisorProcess {
    /// How often a supervisor that followed another tries to have the children live by one configuration.
    private static let reconciliations = 20
    private static let reconciliationPause: Duration = .milliseconds(500)
    /// The keeper has become this program by then.
    private static let keeperTime: Duration = .seconds(2)

    // MARK: Leaving

    /// What the next program is told; `nil` when a child could not be told something that it would not hear again.
    ///
    /// - Parameter isOrderly: this process is to become another program; otherwise it may die with something unsaid, which
    ///   its successor says again.
    func heritage(asker: AdminConnection?, isOrderly: Bool) -> Heritage? {
        let known = children.values.filter(\.channel.isOpen)
        guard !isOrderly || (known.count == children.count && !known.contains(where: \.channel.isBacklogged)) else {
            return nil
        }
        return Heritage(
            program: settings.layout.version, started: started, generation: current.number,
            lastGeneration: lastGeneration, loops: holdings.loopsInForce ?? 1, bundle: current.bundle.descriptor.number,
            secrets: current.secrets, user: user, ticketSecret: holdings.ownTicketSecret, holdings: holdings.bequest,
            children: known.sorted { $0.role < $1.role }.map {
                $0.bequest(
                    restarts: supervision.restarts($0.role), lastEnding: supervision.lastEnding($0.role))
            }, orders: orders.all, end: orderedEnd, admin: admin?.descriptor,
            asker: asker.flatMap { $0.descriptor > 2 ? $0.descriptor : nil })
    }

    /// Writes down what a successor needs, if anything of it has changed.
    func leave() {
        guard let heritage = heritage(asker: probation?.asker, isOrderly: false) else { return }
        do throws(Errno) { try kept.publish(heritage) } catch {
            log.error("What a successor needs cannot be left to it.", ["error": error])
        }
    }

    /// Everything ends with the keeper: the service manager takes it for the service.
    func watchKeeper() {
        let keeper = kept.words.keeper
        guard let number = try? ProcessSelf.descriptor(of: keeper) else {
            // In the loop, which it leaves.
            loop.schedule(at: Clock.now) { [unowned self] in
                log.error("The keeper is gone: everything ends.", ["pid": keeper])
                stop()
            }
            return
        }
        keeperEnd = number
        try? loop.add(number, .readable) { [unowned self] _ in
            loop.remove(number)
            log.error("The keeper is gone: everything ends.", ["pid": keeper])
            stop()
        }
    }

    // MARK: Going on

    /// Takes the children over from the program before this one, or from a supervisor that died.
    func resume(_ heritage: Heritage) throws(Errno) {
        var past: [Supervision.Role: (restarts: UInt64, lastEnding: String?)] = [:]
        for known in heritage.children {
            let child = try ChildHandle(known, keeper: kept.words.keeper, on: loop) { holdings.holding($0) }
            children[known.role] = child
            // It may have been asked to prepare what nobody wants any more.
            child.cancel(heritage.lastGeneration)
            past[known.role] = (known.restarts, known.lastEnding)
            try attend(child)
        }
        orders = OperatorOrders(heritage.orders)
        supervision = Supervision(
            resuming: past, wanted: roles(of: current.loaded.configuration), generation: heritage.generation, at: Clock.now)
        adoptStopTimes()
        arm()
        holdings.keep(only: current.named)
        let asker = heritage.asker.flatMap { admin?.take($0) }
        let hasReturned = ProcessSelf.environment(Heritage.returnedVariable) != nil
        if isSuccessor || hasReturned {
            notify.ready(statusLine)
            if isSuccessor {
                lastGeneration += 1
                log.error(
                    "A supervisor has died; this one goes on.",
                    ["how": lastSupervisorEnding, "deaths": kept.words.deaths, "children": children.count])
            }
            asker?.answer(AdminConnection.refusal("the new program failed as the supervisor; the known one goes on"))
            if heritage.end == nil { returnChildren() }
            reconcile(tries: Self.reconciliations)
        } else {
            probation = Probation(asker: asker, from: heritage.program)
            log.notice(
                "This program goes on where another was.",
                ["version": settings.layout.version, "from": heritage.program, "children": children.count])
            loop.schedule(at: Clock.now + Upgrade.Limits.supervision) { [unowned self] in believe() }
        }
        goOnEnding(heritage.end)
        leave()
        try kept.takeCharge()
    }

    /// How the supervisor before this one ended, for people.
    var lastSupervisorEnding: String { Process.Ending(status: kept.words.ending).description }

    /// Has children replaced that are of another program than this one: one that was given up.
    func returnChildren() {
        for (role, child) in children.sorted(by: { $0.key > $1.key }) where isNewProgram(child) {
            log.notice("A child of another program is replaced.", ["role": role.rawValue])
            tell(.replace(role))
        }
    }

    /// The supervisor that died may have been in the middle of a reload: the children are brought to the configuration it
    /// had committed.
    private func reconcile(tries: Int) {
        loop.schedule(at: Clock.now + Self.reconciliationPause) { [unowned self] in
            guard !supervision.isStopping else { return }
            // What is going on ends in its own time, and may end without a commit.
            guard pending == nil, upgrading == nil, probation == nil else { return reconcile(tries: tries) }
            let configuration = current.loaded.configuration
            reconciled = { [unowned self] isCommitted in
                reconciled = nil
                if !isCommitted, tries > 1 { reconcile(tries: tries - 1) }
            }
            do throws(Errno) {
                try propose(current.loaded, Configuration.Difference(from: configuration, to: configuration))
            } catch {
                reconciled = nil
                log.error("The children cannot be brought to one configuration.", ["error": error])
                if tries > 1 { reconcile(tries: tries - 1) }
            }
        }
    }

    // MARK: Probation

    /// This program has served long enough: nothing of the one before it stays.
    private func believe() {
        guard let probation else { return }
        children[.balancer]?.channel.send(.believe)
        kept.believe()
        do throws(Errno) {
            try rehearseKeeper { [unowned self] complaint in
                // The daemon stops meanwhile.
                guard self.probation != nil else { return }
                if let complaint {
                    finishProbation(probation, "the keeper stays the former program: \(complaint)")
                } else {
                    do throws(Errno) { try kept.askKeeperToFollow() } catch {
                        return finishProbation(probation, "the keeper stays the former program: \(error)")
                    }
                    awaitKeeper(probation, until: Clock.now + Self.keeperTime)
                }
            }
        } catch {
            finishProbation(probation, "the keeper stays the former program: \(error)")
        }
    }

    /// The new program is tried as a keeper before the keeper, which has no way back, becomes it.
    private func rehearseKeeper(_ done: @escaping (String?) -> Void) throws(Errno) {
        var launch = Process.Launch(
            path: "/proc/self/exe", arguments: arguments(),
            environment: environment([
                "\(KeeperProcess.variable)=\(kept.words.number),-1", "\(Heritage.rehearsalVariable)=1",
            ]))
        launch.inheritsDescriptors = true
        let process = try Process(launch)
        asked.insert(process.pid)
        let timer = loop.schedule(at: Clock.now + Upgrade.Limits.rehearsal) { try? process.send(Signals.kill) }
        try process.watch(on: loop) { [unowned self] ending in
            loop.cancel(timer)
            asked.remove(process.pid)
            done(ending.isClean ? nil : "\(ending)")
        }
    }

    private func awaitKeeper(_ probation: Probation, until limit: Instant) {
        guard self.probation != nil else { return }
        if File.identity("/proc/\(kept.words.keeper)/exe") == ProcessSelf.program {
            finishProbation(probation, nil)
        } else if Clock.now < limit {
            loop.schedule(at: Clock.now + .milliseconds(5)) { [unowned self] in awaitKeeper(probation, until: limit) }
        } else {
            finishProbation(probation, "the keeper stays the former program")
        }
    }

    private func finishProbation(_ probation: Probation, _ complaint: String?) {
        self.probation = nil
        leave()
        notify.ready(statusLine)
        if let complaint { log.error("The upgrade is not complete.", ["because": complaint]) }
        log.notice("The new program is believed.", ["version": settings.layout.version])
        probation.asker?.answer([
            "ok": true, "version": .string(settings.layout.version), "from": .string(probation.from),
            "warning": JSON(complaint),
        ])
    }

    /// The daemon stops before the new program was believed: it was good enough for that.
    func abandonProbation() {
        guard let probation else { return }
        children[.balancer]?.channel.send(.believe)
        kept.believe()
        self.probation = nil
        probation.asker?.answer(AdminConnection.refusal("the daemon is stopping"))
    }
}
