// Carries out an upgrade: asks the new program, tries it, becomes it.

import Control
import Linux
import Telemetry
import Wire

extension SupervisorProcess {
    /// The version of the state that one supervisor leaves to the next.
    package static var stateVersion: Int { Heritage.version }

    /// Octets of what a program that is asked something may say.
    private static let wordsLimit = 65_536

    // MARK: The order

    /// Begins an upgrade: `{"command": "upgrade", "program": PATH, "drain": BOOL}`.
    func upgrade(_ request: JSON, _ connection: AdminConnection) {
        func refuse(_ reason: String) {
            log.error("The upgrade is refused; nothing has changed.", ["because": reason])
            connection.answer(AdminConnection.refusal(reason))
        }
        guard let path = request["program"]?.string, path.hasPrefix("/"), path.utf8.count <= ControlLimits.path else {
            return refuse("the new program is to be named by its whole path")
        }
        guard !supervision.isStopping else { return refuse("the daemon is stopping") }
        guard upgrading == nil, probation == nil else { return refuse("another upgrade is going on") }
        guard pending == nil, !supervision.isReloading else { return refuse("a reload is going on") }
        let roles = Set(ChildProcess.Role.allCases.filter { supervision.phase($0) != "off" })
        guard roles.allSatisfy(supervision.isServing) else {
            return refuse("not everything serves: \(statusLine)")
        }
        if Privileges.isRoot, let reason = TrustedProgram.refusal(path) { return refuse(reason) }
        guard let stamp = File.stamp(path) else { return refuse("there is no program \(path)") }
        guard stamp != ownStamp else { return refuse("\(path) is the program that is running") }
        log.notice("An upgrade begins.", ["program": path, "from": settings.layout.version])
        let machine = Upgrade(roles: roles, drains: request["drain"]?.bool ?? false, at: Clock.now)
        upgrading = Upgrading(machine, path: path, asker: connection)
        obeyUpgrade([.probe])
    }

    private var ownStamp: File.Stamp? { File.stamp("/proc/self/exe") }

    /// Whether a child says that it is another program than the supervisor is. Asked of the child: the supervisor has no right
    /// to look at processes of another user, and where /proc hides them they are not even there.
    func isNewProgram(_ child: ChildHandle) -> Bool {
        guard let program = child.program, let own = ProcessSelf.program else { return false }
        return program != own
    }

    /// Tells the upgrade, if there is one, what happened.
    func tellUpgrade(_ event: Upgrade.Event) {
        guard let upgrading else { return }
        obeyUpgrade(upgrading.machine.handle(event, at: Clock.now))
    }

    /// Nothing comes of it: the daemon stops.
    func abandonUpgrade() {
        abandonProbation()
        guard let upgrading, afterwards == nil else { return }
        finishUpgrade(upgrading)
        upgrading.asker.answer(AdminConnection.refusal("the daemon is stopping"))
    }

    private func finishUpgrade(_ upgrading: Upgrading) {
        loop.cancel(upgrading.timer)
        if let asked = upgrading.asked { try? asked.send(Signals.kill) }
        self.upgrading = nil
    }

    private func obeyUpgrade(_ actions: [Upgrade.Action]) {
        guard let upgrading else { return }
        for action in actions {
            switch action {
            case .probe: probe(upgrading)
            case .replace(let role, let withNew):
                upgrading.use(new: withNew)
                tell(.replace(role))
            case .useKnown: upgrading.use(new: false)
            case .keep(let role): tell(.keep(role))
            case .returnBalancer: returnBalancer()
            case .rehearse: rehearse(upgrading)
            case .execute: execute(upgrading)
            case .drain: drainAndFollow(upgrading)
            case .refuse(let reason):
                finishUpgrade(upgrading)
                log.error("The upgrade is given up; the known program goes on.", ["because": reason])
                upgrading.asker.answer(AdminConnection.refusal(reason))
            }
        }
        loop.cancel(upgrading.timer)
        guard self.upgrading === upgrading else { return }
        upgrading.timer = upgrading.machine.nextDeadline.map { deadline in
            loop.schedule(at: deadline) { [unowned self] in tellUpgrade(.timeout) }
        }
    }

    // MARK: Questions to the new program

    /// Starts the new program with a question; `done` gets what it wrote on standard output and standard error.
    private func ask(
        _ upgrading: Upgrading, _ launch: Process.Launch, _ done: @escaping (Process.Ending, String) -> Void
    ) throws(Errno) {
        let pipe = try Pipe.make()
        var launch = launch
        launch.descriptors[1] = pipe.second.number
        launch.descriptors[2] = pipe.second.number
        let process = try Process(launch)
        upgrading.asked = process
        asked.insert(process.pid)
        let words = FileDescriptorBox(try pipe.first.duplicate())
        try process.watch(on: loop) { [unowned self, unowned process] ending in
            asked.remove(process.pid)
            guard self.upgrading === upgrading, upgrading.asked === process else { return }
            upgrading.asked = nil
            // A pipe holds as much as may be said; who has ended says nothing more.
            let octets = (try? Descriptor.read(words.descriptor.number, limit: Self.wordsLimit)) ?? []
            done(ending, String(decoding: octets, as: UTF8.self))
        }
    }

    private func probe(_ upgrading: Upgrading) {
        var arguments = ["understudy", "layout", "--config", settings.configurationPath]
        if let node = settings.node { arguments += ["--node", node] }
        let launch = Process.Launch(
            path: upgrading.path, arguments: arguments,
            environment: ["SWIFT_BACKTRACE=enable=no", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
        do throws(Errno) {
            try ask(upgrading, launch) { [unowned self] ending, words in
                tellUpgrade(.probed(judge(upgrading, ending, words)))
            }
        } catch {
            let reason = error.description
            loop.schedule(at: Clock.now) { [unowned self] in tellUpgrade(.probed(.unfit(reason))) }
        }
    }

    private func judge(_ upgrading: Upgrading, _ ending: Process.Ending, _ words: String) -> Upgrade.Verdict {
        guard ending.isClean else {
            return .unfit("the new program does not say what it is: \(ending); \(words.prefix(200))")
        }
        guard let json = try? JSON(parsing: words.split(separator: "\n").first.map(String.init) ?? ""),
            let layout = ProgramLayout(json)
        else { return .unfit("what the new program says of itself makes no sense") }
        upgrading.version = layout.version
        guard layout.complaint.isEmpty else {
            return .unfit("version \(layout.version) does not take the configuration:\n\(layout.complaint)")
        }
        return settings.layout.obstacle(to: layout).map { .incompatible($0) } ?? .compatible
    }

    // MARK: Replacing children

    /// What ``Supervision`` orders: the child ends in the way that brings another.
    func replace(_ role: ChildProcess.Role) {
        guard let child = children[role] else { return }
        if role == .balancer, let program = upgrading?.program(for: role) {
            child.channel.send(.handOver(program: program))
            return
        }
        do throws(Errno) { try child.process.send(Signals.kill) } catch {
            log.error("A child cannot be replaced.", ["role": role.rawValue, "error": error])
        }
    }

    /// The balancer is on probation: when it ends, the program before it comes back.
    private func returnBalancer() {
        if supervision.isServing(.balancer) { tell(.replace(.balancer)) }
    }

    // MARK: Becoming the new program

    /// Lends what is left to the next program: everything named is not close-on-exec meanwhile.
    private func lend(_ heritage: Heritage, _ body: (Int32) throws(Errno) -> Void) throws(Errno) {
        let state = try heritage.sealed()
        // Who follows this process should it die has others of its own.
        defer { for number in heritage.descriptors { try? Descriptor.setCloseOnExec(number, true) } }
        for number in heritage.descriptors.union([state.number]) { try Descriptor.setCloseOnExec(number, false) }
        try body(state.number)
    }

    func arguments() -> [String] { Self.arguments(settings) }

    /// What a supervisor is started with.
    static func arguments(_ settings: Settings) -> [String] {
        var arguments = ["understudy", "run", "--config", settings.configurationPath]
        if let node = settings.node { arguments += ["--node", node] }
        return arguments
    }

    func environment(_ added: [String]) -> [String] { Kept.environment(added) }

    private func rehearse(_ upgrading: Upgrading) {
        func complain(_ reason: String) {
            loop.schedule(at: Clock.now) { [unowned self] in tellUpgrade(.rehearsed(reason)) }
        }
        guard let heritage = heritage(asker: nil, isOrderly: true) else { return complain("a child does not read what it is told") }
        do throws(Errno) {
            try lend(heritage) { state throws(Errno) in
                var launch = Process.Launch(
                    path: upgrading.path, arguments: arguments(),
                    environment: environment(["\(Heritage.variable)=\(state)", "\(Heritage.rehearsalVariable)=1"]))
                launch.inheritsDescriptors = true
                try ask(upgrading, launch) { [unowned self] ending, words in
                    tellUpgrade(.rehearsed(ending.isClean ? nil : "\(ending); \(words.prefix(500))"))
                }
            }
        } catch {
            complain(error.description)
        }
    }

    private func execute(_ upgrading: Upgrading) {
        func giveUp(_ reason: String) {
            finishUpgrade(upgrading)
            log.error("The supervisor stays the known program, and everything goes back to it.", ["because": reason])
            returnChildren()
            upgrading.asker.answer(AdminConnection.refusal(reason))
        }
        guard let heritage = heritage(asker: upgrading.asker, isOrderly: true) else {
            return giveUp("a child does not read what it is told")
        }
        log.notice("The supervisor becomes the new program.", ["program": upgrading.path])
        notify.reloading(at: Clock.now)
        do throws(Errno) {
            // The way back for a program that dies, and for one that finds that it cannot begin.
            try kept.publish(heritage)
            try kept.beginProbation()
            let former = try File.open(reading: "/proc/self/exe")
            try Descriptor.setCloseOnExec(former.number, false)
            try lend(heritage) { state throws(Errno) in
                try ProcessSelf.execute(
                    upgrading.path, arguments: arguments(),
                    environment: environment([
                        "\(Heritage.variable)=\(state)", "\(Heritage.formerVariable)=\(former.number)", kept.variable,
                    ]))
            }
        } catch {
            kept.believe()
            leave()
            notify.ready(statusLine)
            giveUp(error.description)
        }
    }

    /// Cannot begin with what was left: the program before this one can.
    static func returnToFormer(with heritage: Heritage, _ kept: Kept) {
        guard let number = Heritage.former else { return }
        do throws(Errno) {
            let state = try heritage.sealed()
            for number in heritage.descriptors.union([state.number]) {
                try Descriptor.setCloseOnExec(number, false)
            }
            try Descriptor.setCloseOnExec(number, true)
            kept.believe()
            try ProcessSelf.execute(
                "/proc/self/fd/\(number)", arguments: CommandLine.arguments,
                environment: Kept.environment([
                    "\(Heritage.variable)=\(state.number)", "\(Heritage.returnedVariable)=1", kept.variable,
                ]))
        } catch {
            // The holder, which is that program, brings it when this process is gone.
            return
        }
    }

    /// This program goes on: the file of the one before it is closed.
    static func forgetFormer() {
        if let number = Heritage.former { Descriptor.close(number) }
    }
}
