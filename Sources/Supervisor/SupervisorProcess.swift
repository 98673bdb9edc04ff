// The parent: starts the two children, keeps them alive, passes orders and descriptors, answers the operator.

package import Configuration
package import Control
import Linux
import TLS
import Telemetry
import Wire

/// `understudy run`: what ``Supervision`` decides, done on the kernel.
///
/// Single-threaded but for the log. Parses no byte of a client: what it reads are the configuration, the admin socket and
/// its own children's messages.
package final class SupervisorProcess {
    /// What the program tells the supervisor, which knows neither the balancer's loops nor its tables.
    package struct Settings {
        package var configurationPath: String
        /// What `--node` says.
        package var node: String?
        /// What this program can take over, and leaves.
        package var layout: ProgramLayout
        /// How many event loops a configuration means on this machine.
        package var loops: (Configuration) -> Int
        /// How many bytes of memory a stick table takes.
        package var tableBytes: (Configuration.TableSettings) -> Int

        package init(
            configurationPath: String, node: String?, layout: ProgramLayout, loops: @escaping (Configuration) -> Int,
            tableBytes: @escaping (Configuration.TableSettings) -> Int
        ) {
            self.configurationPath = configurationPath
            self.node = node
            self.layout = layout
            self.loops = loops
            self.tableBytes = tableBytes
        }
    }

    /// Why the daemon does not start.
    package struct Refusal: Error, CustomStringConvertible {
        package var description: String
    }

    /// A configuration with what was opened for it.
    struct Generation {
        var number: UInt64
        var loaded: LoadedConfiguration
        var named: Holdings.Named
        var bundle: FileDescriptorBox

        /// The numbers of its secrets, by the names the children know them by.
        var secrets: [String: Int32] {
            var numbers: [String: Int32] = [:]
            for (name, holding) in named { if case .secret = name { numbers[name.text] = holding.descriptor.number } }
            return numbers
        }
    }

    /// A sealed bundle, shared by those who refer to it.
    final class FileDescriptorBox {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    let settings: Settings
    let loop: EventLoop
    let log: Log
    /// Its place in the row of supervisors.
    let kept: Kept
    let notify: Notify
    let started: Instant
    /// What the program before this one left.
    var heritage: Heritage?
    /// The supervisor before this one died.
    var isSuccessor = false
    /// This program may still be left for the one before it.
    var probation: Probation?
    /// A pidfd of the keeper.
    var keeperEnd: Int32 = -1
    /// What is done when the children have voted on the configuration that the supervisor before this one had committed.
    var reconciled: ((Bool) -> Void)?
    /// The upgrade that is going on.
    var upgrading: Upgrading?
    /// The program that is started when this one has ended in order.
    var afterwards: String?
    /// The end was ordered at the admin socket: who follows this process is told so by nobody else.
    var isEndOrdered = false
    /// What the supervisor before this one was told.
    var inheritedEnd: Heritage.End?
    /// Why the program that was to follow this one did not.
    let returned = ProcessSelf.environment(SupervisorProcess.returnedVariable)
    /// Processes that were asked something and have not ended yet, also when nobody waits for the answer any more.
    var asked: Set<Int32> = []
    var supervision = Supervision()
    var holdings: Holdings
    /// The committed generation.
    var current: Generation
    /// The one that is being voted on, who wants to know, and what it changes.
    var pending: (generation: Generation, difference: Configuration.Difference)?
    /// The number of the newest generation, committed or refused.
    var lastGeneration: UInt64 = 1
    var reloadAskers: [AdminConnection] = []
    var stopAskers: [AdminConnection] = []
    var children: [ChildProcess.Role: ChildHandle] = [:]
    let questions = Questions()
    /// What the balancer was told about servers.
    var orders = OperatorOrders()
    /// The files of tls blocks, watched.
    var certificates: CertificateWatch
    var admin: AdminServer?
    /// Whom the balancer becomes.
    let user: String?
    private var signals: Signals?
    private var timer: EventLoop.Timer?
    private(set) var status: Int32 = 0

    // MARK: Running

    /// Runs the daemon until it is told to stop.
    ///
    /// - Returns: the exit status: 0 after a stop, 1 when the children cannot live by the first configuration.
    /// - Throws: ``Refusal`` when it cannot start; nothing was changed then.
    package static func run(_ settings: Settings) throws(Refusal) -> Int32 {
        if ProcessSelf.environment(Heritage.rehearsalVariable) != nil { return try rehearse(settings) }
        guard let text = ProcessSelf.environment(Kept.variable) else {
            do throws(Errno) { return try KeeperProcess.run() } catch { throw Refusal(description: error.description) }
        }
        ProcessSelf.setName("understudy-sup")
        let kept: Kept
        do throws(Errno) { kept = try Kept(text, arguments: arguments(settings)) } catch {
            throw Refusal(description: error.description)
        }
        let heritage: Heritage?
        let isSuccessor: Bool
        do throws(MalformedMessage) {
            if let upgraded = try Heritage.found() {
                (heritage, isSuccessor) = (upgraded, false)
            } else {
                heritage = try kept.inheritance.map { number throws(MalformedMessage) in try Heritage(reading: number) }
                isSuccessor = true
            }
        } catch {
            throw Refusal(description: error.description)
        }
        if let heritage {
            kept.closeOthers(but: heritage)
            do throws(Refusal) {
                return try run(settings, kept, heritage, isSuccessor: isSuccessor)
            } catch {
                // Who follows one that died is tried again by the holder.
                if !isSuccessor { returnToFormer(with: heritage, kept) }
                throw error
            }
        }
        do throws(Refusal) {
            return try begin(settings, kept)
        } catch {
            kept.end()
            throw error
        }
    }

    /// Starts where nothing was.
    private static func begin(_ settings: Settings, _ kept: Kept) throws(Refusal) -> Int32 {
        let loaded: LoadedConfiguration
        do throws(LoadedConfiguration.Refusal) {
            loaded = try LoadedConfiguration(path: settings.configurationPath, node: settings.node)
        } catch {
            throw Refusal(description: error.description)
        }
        if let limit = try? ResourceLimits.openFiles().hard, limit < leastOpenFiles {
            throw Refusal(
                description: "at most \(limit) files may be open (ulimit -Hn), and \(leastOpenFiles) are the least: two for each session, "
                    + "some hundreds for everything else")
        }
        do throws(Errno) {
            try refuseSecond(at: loaded.configuration.admin.socketPath)
            return try SupervisorProcess(settings, kept, loaded).run()
        } catch {
            throw Refusal(description: error.description)
        }
    }

    /// Sees whether this program could go on where another one is, as supervisor or as keeper, and does nothing.
    private static func rehearse(_ settings: Settings) throws(Refusal) -> Int32 {
        do {
            if let text = ProcessSelf.environment(KeeperProcess.variable) {
                try KeeperProcess.rehearse(text)
            } else if let heritage = try Heritage.found() {
                _ = try load(heritage)
                _ = try Holdings(loops: settings.loops, tableBytes: settings.tableBytes, heritage: heritage)
            }
            return 0
        } catch {
            throw Refusal(description: "\(error)")
        }
    }

    private static func load(_ heritage: Heritage) throws(Refusal) -> LoadedConfiguration {
        do throws(LoadedConfiguration.Refusal) {
            let bundle: ConfigurationBundle
            do throws(MalformedMessage) { bundle = try ConfigurationBundle(reading: heritage.bundle) } catch {
                throw LoadedConfiguration.Refusal(description: error.description)
            }
            let given: GivenSecrets
            do throws(Errno) { given = try heritage.givenSecrets() } catch {
                throw LoadedConfiguration.Refusal(description: "the secrets in use cannot be read: \(error)")
            }
            return try LoadedConfiguration(bundle, given: given)
        } catch {
            throw Refusal(description: error.description)
        }
    }

    /// Goes on where the program before this one was, or a supervisor that died.
    private static func run(
        _ settings: Settings, _ kept: Kept, _ heritage: Heritage, isSuccessor: Bool
    ) throws(Refusal) -> Int32 {
        if isSuccessor, !kept.follow() { throw Refusal(description: "supervisors die one after another") }
        let loaded = try load(heritage)
        do throws(Errno) {
            let process = try SupervisorProcess(settings, kept, loaded, heritage)
            process.isSuccessor = isSuccessor
            forgetFormer()
            return try process.run()
        } catch {
            throw Refusal(description: error.description)
        }
    }

    /// Refuses to be the second daemon of a host before anything is opened: the kernel would hand some of the first
    /// one's clients to our listeners, and reset them when we end.
    private static func refuseSecond(at path: String) throws(Errno) {
        guard let other = try? UnixSocket.connect(path: path) else { return }
        _ = consume other
        throw inUse(path)
    }

    static func inUse(_ path: String) -> Errno {
        Errno(Errno.addressInUse, "another daemon answers at \(path)")
    }

    private init(
        _ settings: Settings, _ kept: Kept, _ loaded: LoadedConfiguration, _ heritage: Heritage? = nil
    ) throws(Errno) {
        self.settings = settings
        self.kept = kept
        notify = kept.notify
        self.heritage = heritage
        started = heritage?.started ?? Clock.now
        Signals.ignorePipe()
        loop = try EventLoop()
        let wanted = loaded.configuration.log
        log = try Log(process: "supervisor", sink: .toStandardError)
        log.adopt(wanted)
        // Nobody is asked who users are while sessions wait.
        let (user, warning) =
            if let heritage { (heritage.user, String?.none) } else { try Self.user(for: loaded.configuration) }
        self.user = user
        var holdings = try Holdings(loops: settings.loops, tableBytes: settings.tableBytes, heritage: heritage)
        let bundle =
            if let heritage { FileDescriptor(owning: heritage.bundle) } else { try loaded.bundle.sealed() }
        current = Generation(
            number: heritage?.generation ?? 1, loaded: loaded, named: try holdings.open(for: loaded),
            bundle: FileDescriptorBox(bundle))
        self.holdings = holdings
        lastGeneration = heritage?.lastGeneration ?? 1
        certificates = CertificateWatch(loaded.judgedStamps)
        // Blocked before the log's thread starts, so that only the loop takes them.
        signals = try Signals([Signals.terminate, Signals.interrupt, Signals.hangUp], on: loop) { [unowned self] in
            receive($0)
        }
        try log.start()
        if let warning { log.warning(warning) }
        if !loaded.warnings.isEmpty { log.warning("The configuration has warnings.", ["warnings": loaded.warnings]) }
        if !loaded.outdated.isEmpty {
            log.notice(
                "Files have changed that are in use; what they held stays in use.",
                ["names": loaded.outdated.joined(separator: ", ")])
        }
        if !loaded.problems.isEmpty {
            log.error(
                "What is in use is not good on the disk any more: a start would fail.",
                ["because": loaded.problems.joined(separator: "; ")])
        }
        makeRoom(for: loaded.configuration)
    }

    private func run() throws(Errno) -> Int32 {
        let isGoingOn = heritage != nil
        var isOver = false
        defer {
            // Who is tried next after one that fails here listens on the same socket, at the same path.
            if isOver || !isGoingOn { admin?.close() }
            log.close()
        }
        // Holders and successors become ours when their parents end.
        try Orphans.adopt()
        reapOrphans()
        try openAdmin()
        sayAlive(every: min(notify.watchdogLimit.map { $0 / 3 } ?? Keeping.Limits.word, Keeping.Limits.word))
        watchKeeper()
        let roles = roles(of: current.loaded.configuration)
        if roles.count == 1, !current.loaded.configuration.routers.isEmpty {
            log.warning("The virtual address is not managed: that needs root.")
        }
        if let heritage {
            try resume(heritage)
            self.heritage = nil
        } else {
            adoptStopTimes()
            if let returned { log.error("The new program does not start; the known one serves again.", ["because": returned]) }
            log.notice(
                "Understudy starts.",
                ["version": settings.layout.version, "node": current.loaded.configuration.node ?? "alone"])
            leave()
            try kept.takeCharge()
            tell(.start(roles: roles, generation: current.number))
        }
        loop.schedule(at: Clock.now + Supervision.Limits.stable) { [unowned self] in kept.hasServed() }
        watchCertificates()
        try loop.run()
        isOver = true
        // The keeper executes it. A path that is too long was refused when it was ordered.
        // None is written down, too: a supervisor that died here before may have named one.
        _ = kept.words.setAfterwards(afterwards ?? "")
        kept.end()
        // The last holder sees its balancer's end and follows it at once.
        Orphans.reapAll(until: Clock.now + .milliseconds(500))
        return status
    }

    /// Leaves ``run()``.
    func finish(_ status: Int32) {
        self.status = status
        for asker in stopAskers { asker.answer(["ok": true]) }
        stopAskers = []
        loop.stop()
    }

    /// To the keeper, who passes it on to the service manager.
    private func sayAlive(every interval: Duration) {
        notify.watchdog()
        loop.schedule(at: Clock.now + interval) { [unowned self] in sayAlive(every: interval) }
    }

    private func receive(_ signal: Int32) {
        log.notice("Signal received.", ["signal": Signals.name(signal)])
        if signal == Signals.hangUp { reload(nil) } else { stop() }
    }

    // MARK: Deciding

    /// Tells the supervision what happened, and does what it says.
    func tell(_ event: Supervision.Event) {
        let wasStopping = supervision.isStopping
        defer { if !event.isRoutine { leave() } }
        let actions = supervision.handle(event, at: Clock.now)
        if supervision.isStopping, !wasStopping {
            abandonUpgrade()
            announceEnd()
            // Before anybody is told: an end that was ordered outlives this process.
            leave()
        }
        // While sessions drain, the operator may look on, and order the end.
        if supervision.isStopping, !supervision.isDraining { admin?.close() }
        for action in actions { obey(action) }
        arm()
    }

    /// Waits for what the supervision waits for.
    func arm() {
        loop.cancel(timer)
        timer = supervision.nextDeadline.map { deadline in
            loop.schedule(at: deadline) { [unowned self] in tell(.timeout) }
        }
    }
}
