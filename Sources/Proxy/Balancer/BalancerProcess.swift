// The balancer: loops for the clients, and a main thread for everything else.

import Balancing
import Configuration
import Control
import Glibc
import Linux
import Replication
import Telemetry
import Wire

/// The process that reads every byte of the clients: unprivileged, restarted at will, run hot on both hosts.
///
/// The main thread talks to the supervisor and to `vip`, checks servers, replicates tables and answers the operator; the
/// loops serve. A loop that does not turn is not vouched for: without beats, `vip` lets the address go and the
/// supervisor starts another balancer.
package final class BalancerProcess {
    let loop: EventLoop
    let log: Log
    let control: ControlChannel<SupervisorMessage, ChildMessage>
    /// The row of processes this one stands in.
    let survival: Survival
    /// The supervisor knows that it speaks to this process: what it said before was for a predecessor.
    var isWelcome: Bool
    var vip: ControlChannel<VipNotice, BalancerBeat>?
    var notice: VipNotice?
    /// Repeats the beats to `vip` in real time.
    let heartbeat = Heartbeat()
    /// Whether the supervisor was asked to let it come before others; `nil`: not yet.
    var isHeartbeatPunctual: Bool?
    var descriptors: [DescriptorName: Int32] = [:]
    var pending: [(DescriptorName, Int32)] = []

    var configuration: Configuration?
    var registry: Registry?
    private var prepared: (generation: UInt64, value: Registry.Prepared)?
    var isCommitted = false
    /// It has served before, so that not to serve is news.
    var hasServed = false
    var loops: [LoopHandle] = []
    /// Loops that were started for a predecessor's memory, by their numbers, and wait for their configuration.
    var waitingLoops: [Int: (handle: LoopHandle, gate: LoopGate)] = [:]
    var listeningLoops = 0
    /// Handshakes when it was last looked, and when their memory was last given back.
    var handshakesSeen: UInt64 = 0
    var handshakesTidied: UInt64 = 0
    /// What the loops were asked to give back, until it is freed.
    var hoards: Hoards?
    var prober: Prober?
    var statusServer: StatusServer?
    var pairLink: PairLink?
    let checksBell: Bell
    let tableNews: TableNews
    let namesBell: Bell
    /// Rings when no session is left on the addresses that are being handed over.
    private let drainedBell: Bell
    var hasDrained = false
    /// Orders to drain everything so far: a supervisor that follows another repeats it.
    var drains = 0
    /// Rings when every loop has taken in what it inherited, and listens.
    let readyBell: Bell
    var areLoopsReady = false
    /// Rings when the stick tables of a former process are open.
    let tablesBell: Bell
    /// The pair's link waits for them.
    var isLinkPostponed = false
    /// The configuration that is in force and was not said to be served.
    private var unsaid: UInt64?
    /// What the log was told about names last; the names of the configuration only, so bounded with it.
    var knownAnswers: [String: NameResolver.Answer] = [:]
    var shedding: [ServerPlace: Shedding] = [:]
    /// The loop that closes sessions first in this round, among those that have some.
    var firstToShare = 0
    /// Long answers that are being written, and those that were one too many.
    var streams = 0
    var streamRefusals: UInt64 = 0
    let started = Clock.now
    /// Sockets per session: the client's and the server's.
    static let socketsPerSession = 2
    /// Sessions that there is room for at least, where the limit of open files allows it: a reload may raise
    /// `limit sessions` so far.
    static let roomForSessions = 1_000_000
    /// Sessions that there is room for.
    var room = 0
    /// Descriptors kept for everything that is neither a session nor a loop's pipe.
    static let reservedDescriptors = 512
    /// Descriptors that the kernel's table has room for from the beginning: 2 MiB.
    static let mostReserved = 262_144

    init(log: Log, survival: Survival) throws(Errno) {
        self.log = log
        self.survival = survival
        isWelcome = !survival.isSuccessor
        loop = try EventLoop()
        checksBell = try Bell()
        tableNews = try TableNews()
        namesBell = try Bell()
        drainedBell = try Bell()
        readyBell = try Bell()
        tablesBell = try Bell()
        control = try ControlChannel(FileDescriptor(owning: ChildProcess.controlDescriptor), on: loop)
        control.onMessage = { [unowned self] message, bag in receive(message, bag) }
        control.onClosed = { [unowned self] ending in
            log.notice("the supervisor is gone: the balancer ends", ["ending": "\(ending)"])
            survival.end()
            loop.stop()
        }
        try loop.add(checksBell.number, .readable) { [unowned self] _ in
            checksBell.silence()
            tellNews()
            prober?.schedule()
        }
        try loop.add(tableNews.bell.number, .readable) { [unowned self] _ in
            tableNews.bell.silence()
            _ = loop.schedule(at: Clock.now + TableNews.gathering) { [unowned self] in
                tableNews.look()
                pairLink?.tablesChanged()
            }
        }
        try loop.add(drainedBell.number, .readable) { [unowned self] _ in
            drainedBell.silence()
            hasDrained = isLeaving
            beatNow()
        }
        try loop.add(readyBell.number, .readable) { [unowned self] _ in
            readyBell.silence()
            areLoopsReady = true
            registry?.forgetFormer()
            saysServing()
            openTables()
        }
        try loop.add(tablesBell.number, .readable) { [unowned self] _ in
            tablesBell.silence()
            if isLinkPostponed, let configuration { startPairLink(configuration) }
        }
        try loop.add(namesBell.number, .readable) { [unowned self] _ in
            namesBell.silence()
            namesChanged()
        }
        if !survival.isSuccessor {
            control.send(.held)
        } else if !survival.isAnnounced {
            control.send(.succeeded(pid: ProcessSelf.pid))
        }
        startInheritedLoops()
        beat()
        beatLink()
        keepHouse()
    }

    // MARK: The supervisor

    private func receive(_ message: SupervisorMessage, _ bag: DescriptorBag) {
        guard isWelcome else {
            if case .welcome = message { welcomed() }
            return
        }
        switch message {
        case .welcome: break
        case .descriptors(let names):
            for (place, name) in names.enumerated() {
                if let descriptor = bag.take(place) { pending.append((name, descriptor.release())) }
            }
        case .prepare(let generation):
            guard let bundle = bag[0] else { return }
            do {
                prepared = (generation, try prepare(bundle))
                Chaos.point(.prepared)
                control.send(.prepared(generation: generation))
            } catch {
                forgetPending()
                if !isCommitted { survival.end() }
                control.send(.refused(generation: generation, reason: error.reason))
            }
        case .commit(let generation): commit(generation)
        case .cancel:
            prepared = nil
            forgetPending()
        case .query(let id, let request): control.send(.reply(id: id, answer: answer(request)))
        case .admin(let request): if let connection = bag.take(0) { stream(request, to: connection) }
        case .vipLink: if let end = bag.take(0) { linkVip(end) }
        case .balancerLink: break
        case .handOver(let program): handOver(to: program)
        case .believe: survival.believe()
        case .drain(let deadline, let rate): drain(by: deadline, rate: Int(rate))
        case .stop(let deadline): stop(by: deadline)
        }
    }

    private func prepare(_ bundle: Int32) throws(Registry.Refusal) -> Registry.Prepared {
        let configuration = try Self.read(bundle)
        if !loops.isEmpty, configuration.maximumSessions > max(room, self.configuration?.maximumSessions ?? 0) {
            throw Registry.Refusal(
                reason: "limit sessions \(configuration.maximumSessions): this balancer has room for \(room); only a start "
                    + "makes more")
        }
        let registry: Registry
        if let known = self.registry {
            registry = known
        } else {
            registry = try makeRegistry(configuration)
            self.registry = registry
        }
        // Needed when it is put in force, which must not fail.
        _ = try pairSecret()
        return try registry.prepare(configuration, loops: loopCount(configuration)) { self.descriptor($0) }
    }

    /// Parses the bytes the supervisor has checked already, with the same code.
    private static func read(_ bundle: Int32) throws(Registry.Refusal) -> Configuration {
        do {
            return try ConfigurationBundle(reading: bundle).configuration()
        } catch {
            throw Registry.Refusal(reason: "\(error)")
        }
    }

    private func makeRegistry(_ configuration: Configuration) throws(Registry.Refusal) -> Registry {
        let checks = checksBell
        let tables = tableNews
        let names = namesBell
        let former = survival.directory
        let resolver: NameResolver
        do { resolver = try NameResolver(knowing: former?.addresses ?? [:]) { names.ring() } } catch {
            throw Registry.Refusal(reason: "no resolver: \(error)")
        }
        // What a predecessor knew is no news.
        knownAnswers = resolver.answers
        let registry = Registry(
            node: PeerSession.identity(of: configuration.node ?? ""), hashKey: try tableKey(), resolver: resolver,
            former: former, checksMoved: { checks.ring() }, tablesChanged: { tables.ring() })
        registry.remember = { [unowned self] in remember($0) }
        return registry
    }

    /// The number of a descriptor that was handed over, the newest of that name.
    func descriptor(_ name: DescriptorName) -> Int32? {
        pending.last { $0.0 == name }?.1 ?? descriptors[name]
    }

    private func forgetPending() {
        for (_, number) in pending { Descriptor.close(number) }
        pending = []
    }

    private func commit(_ generation: UInt64) {
        guard let prepared, prepared.generation == generation, let registry else { return }
        self.prepared = nil
        do {
            if registry.sessionLog == nil {
                registry.sessionLog = SessionLog(
                    loops: max(loopCount(prepared.value.configuration), survival.loops.count), writtenBy: log)
            }
            let snapshot = try registry.commit(prepared.value)
            var replaced: [Int32] = []
            for (name, number) in pending {
                if let old = descriptors.updateValue(number, forKey: name) { replaced.append(old) }
            }
            pending = []
            // Taken before ours is written over it.
            let inheritance = loops.isEmpty ? survival.inheritance(to: snapshot) : nil
            replaced += forgetRemoved(prepared.value.configuration)
            configuration = prepared.value.configuration
            log.adopt(prepared.value.configuration.log)
            if loops.isEmpty {
                // Before the first session of our own: every number of the former directory means the same in this one.
                remember()
                try startLoops(prepared.value.configuration, snapshot, inheritance)
                Chaos.point(.loopsBegun)
                watchMemory()
            } else {
                remember()
                for handle in loops { handle.mailbox.post(.adopt(snapshot)) }
            }
            close(replaced)
            startProber(prepared.value.configuration)
            serveStatus(prepared.value.configuration)
            startPairLink(prepared.value.configuration)
            if !isCommitted { try heartbeat.start() }
            isCommitted = true
            unsaid = generation
            if areLoopsReady { saysServing() }
        } catch {
            log.error("the configuration could not be put in force", ["error": "\(error)"])
            if !isCommitted { giveUp(after: error) }
            control.send(.refused(generation: generation, reason: "\(error)"))
        }
    }

    /// Tells everybody that the configuration in force is served: not with the next beat, `vip` waits for it.
    private func saysServing() {
        guard let generation = unsaid else { return }
        unsaid = nil
        beatNow()
        if let program = ProcessSelf.program { control.send(.program(program)) }
        control.send(.serving(generation: generation))
    }

    /// Forgets what the configuration in force does not call for any more: the supervisor hands it over again should it come back.
    private func forgetRemoved(_ configuration: Configuration) -> [Int32] {
        let removed = descriptors.filter { !$0.key.isCalledFor(by: configuration) }
        for name in removed.keys { descriptors[name] = nil }
        return Array(removed.values)
    }

    /// Closes descriptors when no loop can wait on them any more: a number that is closed earlier may be a client's by the
    /// time a loop forgets the listener it was.
    private func close(_ numbers: [Int32]) {
        guard !numbers.isEmpty, !loops.isEmpty else { return }
        let fence = Fence(loops: loops.count) {
            for number in numbers { Descriptor.close(number) }
        }
        for handle in loops { handle.mailbox.post(.passed(fence)) }
    }

    /// Loops that listen; others only serve what loops of a predecessor left.
    private func loopCount(_ configuration: Configuration) -> Int {
        loops.isEmpty ? LoopCount.effective(configuration) : listeningLoops
    }

    private func startProber(_ configuration: Configuration) {
        guard let registry else { return }
        if prober == nil {
            let prober = Prober(on: loop, node: configuration.node)
            prober.onSkipped = { [unowned self] backend, reason, count in
                log.warning(
                    "checks of backend \(backend.name) cannot be made", ["error": reason, "checks": "\(count)"])
            }
            self.prober = prober
        }
        prober?.adopt(registry.activeBackends)
    }

    /// Work that comes round: the tables' expired entries and huge pages.
    private func keepHouse() {
        let now = Clock.now
        for table in registry?.tables ?? [] { table.keep(at: now) }
        keepHolder()
        if registry?.resolver.giveUp(at: now) == true { namesChanged() }
        if isServing, now - started > Survival.settling { survival.state.serves() }
        loop.schedule(at: now + .milliseconds(200)) { [unowned self] in keepHouse() }
    }

    // MARK: Leaving

    /// `vip` said who holds which address.
    ///
    /// What stays connected to an address that goes away would hang until its keep-alive: its sessions are closed, before
    /// the address goes when this host hands it over on purpose (and then nothing new is taken there), after it
    /// otherwise. Before it, the other host serves already: who connects again is served there.
    func heard(_ notice: VipNotice) {
        let former = self.notice
        self.notice = notice
        pairLink?.factsChanged()
        // With each advertisement a notice comes that changes nothing here.
        guard notice.routers != former?.routers || notice.steppingDown != former?.steppingDown else { return }
        let refusing = isLeaving
        hasDrained = false
        let gone = addresses { router in
            let was = former?.routers.first { $0.name == router.name }?.role
            return router.role == .leaving || (was == .active && router.role != .active)
        }
        let bell = drainedBell
        let fence = refusing && !loops.isEmpty ? Fence(loops: loops.count) { bell.ring() } : nil
        for handle in loops {
            handle.mailbox.post(gone.isEmpty ? .resume : .leave(gone, refusing: refusing, fence))
        }
        beatNow()
    }

    /// Whether an address is here for a last moment only.
    var isLeaving: Bool { notice?.routers.contains { $0.role == .leaving } ?? false }

    /// The virtual addresses of the routers that fit.
    private func addresses(_ fits: (VipNotice.Router) -> Bool) -> [IPAddress] {
        let names = Set((notice?.routers ?? []).filter(fits).map(\.name))
        return (configuration?.routers ?? []).filter { names.contains($0.name) }.flatMap { $0.addresses.map(\.address) }
    }
}
