// One virtual router on the kernel: translates between the state machine and the world, and decides nothing.

import Linux
import Telemetry
import VRRP
import Wire

/// Drives one ``VirtualRouter``: feeds it what the kernel and the peers say, and obeys its actions in order.
///
/// Every effect comes back as an event: an address counts as claimed when the kernel shows it. Nothing here waits for a
/// disk or another process; requests to the kernel's tables are answered inside the call.
final class RouterDriver {
    /// What all drivers of the process share.
    struct Surroundings {
        let loop: EventLoop
        let netlink: Netlink
        let announcer: Announcer
        let log: Log
    }

    /// Advertisements read in one turn, so that a flood cannot keep everything else waiting.
    static let advertisementsPerTurn = 64
    /// How many such turns come before a timer is judged at the most: what a socket holds on an ordinary system.
    static let turnsBeforeJudgement = 16
    /// How long the addresses of a killed predecessor stay while nobody is heard and the balancer has not reported.
    static let patience = Duration.milliseconds(300)

    private(set) var plan: RouterPlan
    private(set) var router: VirtualRouter
    /// When the role last changed.
    var roleSince = Clock.now
    /// Packets whose IP header made no sense.
    var senselessPackets: UInt64 = 0
    /// Times a timer was judged although more packets were waiting than ``turnsBeforeJudgement`` allows.
    var unreadJudgements: UInt64 = 0
    /// Router identifiers heard that are none of this host's; at most 255.
    var strangers: [UInt8: StrangerID] = [:]
    /// The trailer of advertisements; `nil`: they have none.
    var authentication: HMACAuthentication?
    /// The last ten minutes.
    private(set) var history = History()
    /// What the kernel showed at the last look.
    private(set) var interface: Interface?
    /// The numbers of the interfaces whose news concern this router, as at the last look.
    private var watched: Set<UInt32> = []
    /// What the last attempt to open the advertisement socket failed with; `nil`: it did not.
    private var socketErrno: Int32?
    /// The virtual addresses on the kernel.
    let keeper: AddressKeeper
    /// What else runs when the role changes.
    let hooks: HookRunner

    /// Called when the kernel could not be looked at and must be asked again.
    var onBlindness: () -> Void = {}
    /// Called after each change of role.
    var onTransition: () -> Void = {}
    /// Called for what subscribers of events want to know.
    var onEvent: (RouterEvent) -> Void = { _ in }
    /// Hears how the router stands after everything it was told; `nil`: it moves alone.
    weak var group: RouterGroup?
    /// Called after each advertisement that says that we are active.
    var onAdvertisement: () -> Void = {}
    /// Whether a router identifier on this interface belongs to another router of this host.
    var isSibling: (UInt8) -> Bool = { _ in false }

    let around: Surroundings
    var socket: AdvertisementSocket?
    private let timer: DeadlineTimer
    let leaseTimer: DeadlineTimer
    /// When the addresses are renewed next; `nil` while none are ours.
    var nextRenewal: Instant?
    /// Whether it was put off already.
    var isRenewalPutOff = false
    /// Takes in the kernel's news before addresses are renewed: renewing brings back what somebody removed, unannounced.
    var readNews: () -> Void = {}
    /// Why the addresses are handed over, while they wait for the other router.
    var partingCause: VirtualRouter.Cause?
    /// Called when nothing is left of a hand-over.
    var onParted: () -> Void = {}
    /// Losers heard when hooks were last told.
    var toldLosers: UInt64 = 0
    private let patienceTimer: DeadlineTimer
    var refusalGate = RateGate<Advertisement.Discard>(every: .seconds(60))

    /// Whether the balancers of both hosts are connected.
    var isPeerLinked = false
    /// When this node's own address was last announced.
    var lastPresence = Instant.zero
    /// Whether the state machine was started; before, the addresses of a predecessor are only watched.
    private(set) var hasStarted = false
    /// Whether the kernel was looked at for the first time.
    private var isBegun = false
    /// What the router depends on besides its own interface.
    var tracking: Tracking
    let trackingTimer: DeadlineTimer
    /// Who else holds our addresses, and whether the witness answers.
    let probe: NetworkProbe
    private var balancer = (isReady: false, reason: "the balancer has not reported yet", isInSync: false)

    // What was told last, so that only changes are told.
    private var toldReady: Readiness?
    private var toldUp: Bool?
    private var toldSocketErrno: Int32?
    private var toldInSync = false
    private var toldHealth: Health?

    private struct Readiness: Equatable {
        var isReady: Bool
        var reason: String
    }

    private struct Health: Equatable {
        var weight: Int
        var isImpaired: Bool
    }

    /// Reports on effects, and events that came while others were fed.
    var waiting: [VirtualRouter.Event] = []
    private var orders: [VirtualRouter.GroupOrder] = []
    private var isFeeding = false

    init(_ plan: RouterPlan, _ around: Surroundings) {
        self.plan = plan
        self.around = around
        router = VirtualRouter(plan.settings)
        keeper = AddressKeeper(
            plan.addresses, home: plan.identity.interface, netlink: around.netlink, announcer: around.announcer)
        hooks = HookRunner(
            plan.hooks, router: plan.name, facts: Self.hookFacts(plan), on: around.loop, log: around.log)
        authentication = plan.authentication.map { HMACAuthentication($0) }
        timer = DeadlineTimer(on: around.loop)
        leaseTimer = DeadlineTimer(on: around.loop)
        patienceTimer = DeadlineTimer(on: around.loop)
        tracking = Tracking(plan.tracking.items)
        trackingTimer = DeadlineTimer(on: around.loop)
        probe = NetworkProbe(plan.tracking, around)
        prepareTracking()
        timer.onDeadline = { [weak self] in self?.deadlineCame() }
        leaseTimer.onDeadline = { [weak self] in self?.renewalCame() }
        patienceTimer.onDeadline = { [weak self] in self?.start() }
    }

    var name: String { plan.name }
    var isActive: Bool { router.role == .active }

    // MARK: Life

    /// Begins with what the kernel shows.
    ///
    /// Addresses that are all here were left by a predecessor that was killed a moment ago. Taking them away would
    /// interrupt the service for nothing, advertising them would be too early: so they stay until the balancer
    /// reports, another router is heard, or ``patience`` ends.
    func begin(_ interfaces: [Interface]) {
        look(interfaces)
        isBegun = true
        if keeper.holdsAll, !(balancer.isReady && tracking.isComplete) {
            // They may be in the last second of their life.
            renewAddresses()
            patienceTimer.follow(Clock.now + Self.patience)
        } else {
            start()
        }
    }

    private func start() {
        guard !hasStarted else { return }
        hasStarted = true
        patienceTimer.cancel()
        let holding = keeper.holdsAll
        if holding { renewAddresses() } else { releaseLeftovers() }
        tellReadiness()
        feed(.started(holding: holding))
    }

    /// Tells the group how the router stands now; what it orders is obeyed at once.
    func tellStanding() { group?.hear(router.standing(at: Clock.now), of: self) }

    /// Lives by another plan of the same identity, without leaving its state.
    func apply(_ new: RouterPlan, _ interfaces: [Interface]) {
        precondition(new.identity == plan.identity, "another identity")
        guard new != plan else { return }
        plan = new
        configureAuthentication()
        attempt("release addresses that are no longer configured") { () throws(Errno) in
            try keeper.follow(new.addresses)
        }
        hooks.follow(new.hooks)
        // New addresses may live on interfaces that were not looked at before.
        attempt("look at the interfaces of the addresses") { () throws(Errno) in _ = try keeper.look(interfaces) }
        tracking.configure(new.tracking.items, at: Clock.now)
        probe.apply(new.tracking)
        feed(.configure(new.settings))
        look(interfaces)
        tellReadiness()
    }

    /// What was seen of the senders stays, so that a reload opens no gap for a repetition.
    private func configureAuthentication() {
        guard let settings = plan.authentication else { return authentication = nil }
        if authentication == nil {
            authentication = HMACAuthentication(settings)
        } else {
            authentication?.configure(settings)
        }
    }

    /// Says goodbye, releases, and is never used again.
    func end() {
        start()
        feed(.stop)
        timer.cancel()
        leaseTimer.cancel()
        trackingTimer.cancel()
        probe.close()
        closeSocket()
    }

    /// Hands the addresses over; `isForced`: also when nobody takes them.
    func stepDown(for duration: Duration?, isForced: Bool) { feed(.stepDown(for: duration, isForced: isForced)) }

    /// No session is left on addresses that are handed over.
    func drained() { if router.parting != nil { feed(.drained) } }

    /// What is known of the balancer.
    func balancer(isReady: Bool, reason: String, isInSync: Bool) {
        balancer = (isReady, reason, isInSync)
        tellReadiness()
    }

    /// Tells what changed in the conditions for taking part. A router that has not begun begins when all of them are known.
    func tellReadiness() {
        trackingTimer.follow(tracking.nextDeadline)
        if !hasStarted, isBegun, balancer.isReady, tracking.isComplete { start() }
        guard hasStarted else { return }
        if balancer.isInSync != toldInSync {
            toldInSync = balancer.isInSync
            feed(.inSync(balancer.isInSync))
        }
        let verdict = tracking.verdict
        let health = Health(weight: verdict.weight, isImpaired: verdict.isImpaired)
        if health != toldHealth {
            toldHealth = health
            feed(.weight(health.weight, isImpaired: health.isImpaired))
            if verdict.isImpaired {
                around.log.warning(
                    "Not in full health.", ["router": name, "because": verdict.weaknesses.joined(separator: "; ")])
            }
        }
        let isReady = balancer.isReady && verdict.isReady
        let now = Readiness(isReady: isReady, reason: balancer.isReady ? verdict.reason : balancer.reason)
        guard now != toldReady else { return }
        toldReady = now
        feed(.ready(now.isReady, reason: now.isReady ? balancer.reason : now.reason))
    }

    // MARK: The kernel

    /// Compares what the kernel shows now with what was told, and tells the difference.
    func look(_ interfaces: [Interface]) {
        let found = interfaces.first { $0.name == plan.identity.interface }
        if found?.index != interface?.index { closeSocket() }
        interface = found
        watched = Set(interfaces.filter { isWatched($0.name) }.map(\.index))
        if let found { openSocket(found) }
        var isDeviceRenewed = false
        do throws(Errno) {
            isDeviceRenewed = try keeper.look(interfaces).isDeviceRenewed
        } catch {
            // What is not known is not judged: everything is looked at again soon.
            around.log.error("The kernel does not show its addresses.", ["router": name, "error": error])
            onBlindness()
            return
        }
        for name in plan.tracking.interfaces {
            observe(.interface(name, up: interfaces.contains { $0.name == name && $0.isReady }))
        }
        if socketErrno != toldSocketErrno {
            toldSocketErrno = socketErrno
            feed(.socket(errno: socketErrno))
        }
        let isUp = found?.isReady ?? false
        if isUp != toldUp {
            toldUp = isUp
            feed(.interface(up: isUp))
        }
        let source = plan.source(among: addresses.filter(\.isUsable).map(\.prefix.address))
        if source != router.source { feed(.source(source)) }
        probe.look(
            found, source: source,
            prefixes: addresses.map(\.prefix).filter { shown in !plan.addresses.contains { $0.address == shown.address } })
        if isDeviceRenewed { feed(.deviceRenewed) }
        if router.role == .active, router.holdsAddresses, let lost = keeper.missing {
            around.log.warning("Somebody removed a virtual address.", ["router": name, "address": lost.prefix])
            feed(.addressLost(lost.address))
        }
    }

    /// Whether it depends on an interface of this name.
    private func isWatched(_ name: String) -> Bool {
        name == plan.identity.interface || plan.tracking.interfaces.contains(name)
            || plan.addresses.contains { $0.device == name }
    }

    /// Whether the kernel's news about an interface may concern it: one that it knows by its number, or one of a name that it
    /// waits for. On a host with containers interfaces come and go that are nobody's business here.
    func concerns(_ index: UInt32, named name: String? = nil) -> Bool {
        watched.contains(index) || name.map(isWatched) ?? false
    }

    /// What the kernel showed on the router's own interface at the last look.
    var addresses: [InterfaceAddress] { keeper.shown.filter { $0.index == interface?.index } }

    private func releaseLeftovers() {
        attempt("release addresses left by an earlier run") { () throws(Errno) in try keeper.release() }
    }

    /// Does something whose failure is told in the log only.
    private func attempt(_ what: String, _ body: () throws(Errno) -> Void) {
        do { try body() } catch {
            around.log.error("This failed: \(what).", ["router": name, "error": error])
        }
    }

    // MARK: Advertisements

    private func openSocket(_ interface: Interface) {
        guard socket == nil else { return }
        do throws(Errno) {
            let socket = try AdvertisementSocket(
                family: plan.identity.family, interface: interface, joinsGroup: plan.settings.peers.isEmpty)
            try around.loop.add(socket.number, .readable) { [weak self] _ in self?.receive() }
            self.socket = socket
            socketErrno = nil
        } catch {
            // Told once: it is tried again and again.
            if socketErrno != error.code {
                around.log.error("The advertisement socket cannot be opened.", ["router": name, "error": error])
            }
            socketErrno = error.code
            onBlindness()
        }
    }

    private func closeSocket() {
        socketErrno = nil
        guard let socket else { return }
        around.loop.remove(socket.number)
        self.socket = nil
    }

    /// A peer is active: the addresses of a predecessor wait no longer.
    func startOnNews() { if !hasStarted { start() } }

    private func deadlineCame() {
        // What has arrived comes before the judgement that nothing did.
        receiveAll()
        let now = Clock.now
        if let deadline = router.nextDeadline, deadline <= now { history.woke(due: deadline, at: now) }
        isFeeding = true
        obey(router.timeout(at: now), to: nil, at: now)
        isFeeding = false
        feedWaiting()
    }

    // MARK: The state machine

    func feed(_ event: VirtualRouter.Event) {
        waiting.append(event)
        if !isFeeding { feedWaiting() }
    }

    /// An order of the group: obeyed before anything that has come meanwhile.
    func feed(_ order: VirtualRouter.GroupOrder) {
        orders.append(order)
        if !isFeeding { feedWaiting() }
    }

    /// Feeds events until none is left; what actions report while they are obeyed comes after them.
    private func feedWaiting() {
        isFeeding = true
        while !waiting.isEmpty || !orders.isEmpty {
            let event = orders.isEmpty ? waiting.removeFirst() : .group(orders.removeFirst())
            let now = Clock.now
            obey(router.handle(event, at: now), to: event, at: now)
        }
        isFeeding = false
        timer.follow(router.nextDeadline)
        probe.follow(router.role)
        followLease()
    }

    private func obey(_ actions: VirtualRouter.Actions, to event: VirtualRouter.Event?, at now: Instant) {
        history.note(event, actions, at: now)
        perform(actions)
        group?.hear(router.standing(at: now), of: self)
    }
}
