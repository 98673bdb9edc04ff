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
    }

    /// A sealed bundle, shared by those who refer to it.
    final class FileDescriptorBox {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    let settings: Settings
    let loop: EventLoop
    let log: Log
    let notify = Notify.fromEnvironment
    let started: Instant
    /// What the program before this one left.
    private var heritage: Heritage?
    /// The upgrade that is going on.
    var upgrading: Upgrading?
    /// The program that is started when this one has ended in order.
    var afterwards: String?
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
        let heritage: Heritage?
        do throws(MalformedMessage) { heritage = try Heritage.found() } catch {
            returnToFormer()
            throw Refusal(description: error.description)
        }
        if let heritage {
            do throws(Refusal) {
                return try run(settings, heritage)
            } catch {
                returnToFormer(with: heritage)
                throw error
            }
        }
        let loaded: LoadedConfiguration
        do throws(LoadedConfiguration.Refusal) {
            loaded = try LoadedConfiguration(path: settings.configurationPath, node: settings.node)
        } catch {
            throw Refusal(description: error.description)
        }
        do throws(Errno) {
            try refuseSecond(at: loaded.configuration.admin.socketPath)
            let process = try SupervisorProcess(settings, loaded)
            return try process.finished(with: process.run())
        } catch {
            throw Refusal(description: error.description)
        }
    }

    /// Goes on where the program before this one was, or only sees whether it could.
    private static func run(_ settings: Settings, _ heritage: Heritage) throws(Refusal) -> Int32 {
        let isRehearsal = ProcessSelf.environment(Heritage.rehearsalVariable) != nil
        let loaded: LoadedConfiguration
        do throws(LoadedConfiguration.Refusal) {
            let bundle: ConfigurationBundle
            do throws(MalformedMessage) { bundle = try ConfigurationBundle(reading: heritage.bundle) } catch {
                throw LoadedConfiguration.Refusal(description: error.description)
            }
            loaded = try LoadedConfiguration(bundle)
        } catch {
            throw Refusal(description: error.description)
        }
        do throws(Errno) {
            if isRehearsal {
                _ = try Holdings(loops: settings.loops, tableBytes: settings.tableBytes, heritage: heritage)
                return 0
            }
            let process = try SupervisorProcess(settings, loaded, heritage)
            forgetFormer()
            return try process.finished(with: process.run())
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

    private static func inUse(_ path: String) -> Errno {
        Errno(Errno.addressInUse, "another daemon answers at \(path)")
    }

    private init(
        _ settings: Settings, _ loaded: LoadedConfiguration, _ heritage: Heritage? = nil
    ) throws(Errno) {
        self.settings = settings
        self.heritage = heritage
        started = heritage?.started ?? Clock.now
        Signals.ignorePipe()
        loop = try EventLoop()
        var loaded = loaded
        let outdated = try loaded.goOn(with: heritage?.secrets() ?? [:])
        let wanted = loaded.configuration.log
        log = try Log(process: "supervisor", sink: .toStandardError)
        log.adopt(wanted)
        let (user, warning) = try Self.user(for: loaded.configuration)
        self.user = user
        var holdings = try Holdings(loops: settings.loops, tableBytes: settings.tableBytes, heritage: heritage)
        let bundle =
            if let heritage { FileDescriptor(owning: heritage.bundle) } else { try loaded.bundle.sealed() }
        current = Generation(
            number: heritage?.generation ?? 1, loaded: loaded, named: try holdings.open(for: loaded),
            bundle: FileDescriptorBox(bundle))
        self.holdings = holdings
        lastGeneration = heritage?.lastGeneration ?? 1
        certificates = CertificateWatch(outdated.isEmpty ? loaded.tls.stamps : [:])
        // Blocked before the log's thread starts, so that only the loop takes them.
        signals = try Signals([Signals.terminate, Signals.interrupt, Signals.hangUp], on: loop) { [unowned self] in
            receive($0)
        }
        try log.start()
        if let warning { log.warning(warning) }
        if !loaded.warnings.isEmpty { log.warning("The configuration has warnings.", ["warnings": loaded.warnings]) }
        if !outdated.isEmpty {
            log.notice(
                "Files have changed that are in use; what they held stays in use.", ["names": outdated.joined(separator: ", ")])
        }
        makeRoom(for: loaded.configuration)
    }

    private func run() throws(Errno) -> Int32 {
        defer {
            admin?.close()
            log.close()
        }
        // Holders and successors become ours when their parents end.
        try Orphans.adopt()
        reapOrphans()
        try openAdmin()
        if let limit = notify.watchdogLimit { pingWatchdog(every: limit / 3) }
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
            tell(.start(roles: roles, generation: current.number))
        }
        watchCertificates()
        try loop.run()
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

    // MARK: Before the start

    /// The children a configuration wants on this host.
    func roles(of configuration: Configuration) -> Set<ChildProcess.Role> {
        let hasAddress = !configuration.routers.isEmpty && configuration.node != nil && Privileges.isRoot
        return hasAddress ? [.balancer, .vip] : [.balancer]
    }

    /// Whom the balancer becomes when we are root, and what is to be said about it.
    private static func user(for configuration: Configuration) throws(Errno) -> (String?, warning: String?) {
        guard Privileges.isRoot else { return (nil, nil) }
        if try User.named(configuration.user) != nil { return (configuration.user, nil) }
        let warning = "There is no user \(configuration.user); the balancer runs as nobody."
        guard try User.named("nobody") != nil else { throw Errno(Errno.noEntry, "getpwnam nobody") }
        return ("nobody", warning)
    }

    /// Raises the limit of open files while we may: the balancer has no right to.
    private func makeRoom(for configuration: Configuration) {
        let most = (try? File.read("/proc/sys/fs/nr_open", limit: 64)).flatMap { bytes in
            UInt64(String(decoding: bytes, as: UTF8.self).filter(\.isNumber))
        }
        // Two sockets a session, and some for everything else.
        let wanted = min(UInt64(max(configuration.maximumSessions, 1_000_000)) * 2 + 1024, most ?? 1_048_576)
        do throws(Errno) {
            try ResourceLimits.raiseOpenFiles(to: wanted)
        } catch {
            log.info("Fewer files may be open than the sessions could need.", ["error": error])
            let hard = (try? ResourceLimits.openFiles())?.hard
            if let hard { _ = try? ResourceLimits.raiseOpenFiles(to: hard) }
        }
    }

    private func openAdmin() throws(Errno) {
        let settings = current.loaded.configuration.admin
        do throws(Errno) {
            var group: UInt32?
            if let name = settings.group, Privileges.isRoot {
                group = try User.group(named: name)
                if group == nil { log.warning("There is no such group; only root may ask.", ["group": name]) }
            }
            if let slash = settings.socketPath.lastIndex(of: "/"), slash > settings.socketPath.startIndex {
                do throws(Errno) {
                    try FileTree.makeDirectory(String(settings.socketPath[..<slash]))
                } catch {
                    guard error.code == Errno.exists else { throw error }
                }
            }
            if heritage == nil || heritage?.admin != nil {
                admin = try AdminServer(
                    path: settings.socketPath, group: group, heritage: heritage?.admin, on: loop
                ) { [unowned self] in answer($0, $1) }
            }
        } catch {
            if error.code == Errno.addressInUse {
                throw Self.inUse(settings.socketPath)
            }
            // Serving matters more than being asked; and a first try without root has no /run/understudy.
            log.warning(
                "Nobody can ask this daemon anything; set admin { socket PATH }.",
                ["path": settings.socketPath, "error": error])
        }
    }

    private func pingWatchdog(every interval: Duration) {
        notify.watchdog()
        loop.schedule(at: Clock.now + interval) { [unowned self] in pingWatchdog(every: interval) }
    }

    private func receive(_ signal: Int32) {
        log.notice("Signal received.", ["signal": Signals.name(signal)])
        if signal == Signals.hangUp { reload(nil) } else { stop() }
    }

    // MARK: Deciding

    /// Tells the supervision what happened, and does what it says.
    func tell(_ event: Supervision.Event) {
        let wasStopping = supervision.isStopping
        let actions = supervision.handle(event, at: Clock.now)
        if supervision.isStopping, !wasStopping {
            abandonUpgrade()
            announceEnd()
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
