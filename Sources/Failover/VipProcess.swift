// The process that holds the virtual addresses: one thread, one event loop, no disk.

import Configuration
import Control
package import Linux
package import Telemetry
package import Wire

/// `understudy vip`: one ``VirtualRouter`` for each `vrrp` block, on the kernel.
///
/// Lives by what the supervisor says over the control socket, and dies with it: at its end of file every router says
/// goodbye with priority 0 and its addresses are released. Learns from the balancer's beats over a direct link whether
/// this host serves.
package final class VipProcess {
    /// How soon the kernel is asked again after a look at it failed; each further failure doubles it.
    static let firstRelookPause = Duration.milliseconds(100)
    /// As far as it grows.
    static let longestRelookPause = Duration.seconds(1)
    /// How far apart looks are that the kernel's news call for; the first one comes at once.
    static let lookInterval = Duration.milliseconds(20)

    let loop: EventLoop
    let around: RouterDriver.Surroundings
    private let monitor: NetlinkMonitor
    let control: ControlChannel<SupervisorMessage, ChildMessage>
    let tracker: Tracker
    var drivers: [RouterDriver] = []
    /// Groups of routers; each router is in one at most.
    var groups: [RouterGroup] = []
    let events: EventStream
    /// What the supervisor handed over, for the keys of advertisements.
    var secrets = RouterSecrets()

    var watch = BalancerWatch()
    let watchTimer: DeadlineTimer
    /// Looks at the clock again and again (``noticePause()``).
    let pauseTimer: DeadlineTimer
    /// When it does so next.
    var pauseTickDue = Clock.now
    /// The last beat as it came, for the status.
    var lastBeat: BalancerBeat?
    var balancerLink: ControlChannel<BalancerBeat, VipNotice>?
    /// The pidfd of the balancer, while it lives and this process does.
    var balancerEnd: Int32?
    /// The number of the peer's last report; `nil` while nothing comes from it.
    var lastPeerReport: UInt64?
    /// Reports of the peer that were too old to be believed.
    var staleReports: UInt64 = 0
    /// While the operator's wish to leave the addresses to the peer is fresh.
    var steppingDownUntil: Instant?
    let stepDownTimer: DeadlineTimer

    /// What the kernel granted for punctuality.
    var punctuality: Punctuality
    /// Whether this process may choose a real-time priority at all.
    let mayBeRealTime: Bool
    /// The real-time priority it has, 1...99; `nil`: none.
    var realTimePriority: Int?
    /// The real-time priority of the configuration that waits for its commit.
    var preparedPriority: Int?
    /// Hooks of routers that have ended and may still run.
    var retiredHooks: [HookRunner] = []
    /// How long hooks may still run when this process ends without being told by when.
    static let lastHooks = Duration.seconds(2)
    /// What of the time for a stop is kept for the release itself when hooks take long.
    static let releaseReserve = Duration.milliseconds(200)
    /// By when hooks must have ended, when this process was told.
    private var endBy: Instant?

    /// What keeps a process awake on a busy machine.
    package struct Punctuality: Hashable, Sendable {
        /// Runs before all ordinary processes (`SCHED_RR`).
        package var isRealTime: Bool
        /// Never waits for a page to be read.
        package var hasLockedMemory: Bool

        package init(isRealTime: Bool = false, hasLockedMemory: Bool = false) {
            self.isRealTime = isRealTime
            self.hasLockedMemory = hasLockedMemory
        }
    }

    /// The configuration that was found good and waits for its commit.
    var prepared: (generation: UInt64, plans: [RouterPlan], log: Configuration.LogSettings)?
    /// The configuration in force.
    var generation: UInt64?
    private var status: Int32 = 0
    private var isEnding = false
    private var hasEnded = false
    /// Ends as soon as no router holds addresses for another one any more.
    var endsWhenParted = false
    private var isRelookPending = false
    private var relookPause = firstRelookPause
    /// Whether the look that goes on has failed in part.
    private var isBlind = false
    /// News have come that call for a look, and it waits for ``lookInterval`` to pass.
    private var isLookDue = false
    private var lastLook = Instant.zero
    /// How often the kernel was looked at.
    private(set) var looks: UInt64 = 0
    private let lookTimer: DeadlineTimer
    /// Who asked for a step-down and waits to hear what came of it.
    var stepDownAskers: [StepDownAsker] = []
    /// Reads configurations beside the adverts.
    let reader: ConfigurationReader
    /// The configuration that is being read; `nil`: none is.
    var reading: UInt64?
    /// Whether it is to be committed as soon as it has been.
    var commitsWhenRead = false

    /// Gets ready to obey.
    ///
    /// - Parameter control: the control socket; taken over.
    /// - Throws: what the kernel refused that a vip process cannot do without.
    package init(control socket: consuming FileDescriptor, log: Log, punctuality: Punctuality = Punctuality())
        throws(Errno)
    {
        self.punctuality = punctuality
        mayBeRealTime = punctuality.isRealTime
        realTimePriority = punctuality.isRealTime ? VipChild.realTimePriority : nil
        loop = try EventLoop()
        around = RouterDriver.Surroundings(loop: loop, netlink: try Netlink(), announcer: try Announcer(), log: log)
        tracker = Tracker(on: loop, log: log)
        monitor = try NetlinkMonitor()
        control = try ControlChannel(socket, on: loop)
        watchTimer = DeadlineTimer(on: loop)
        pauseTimer = DeadlineTimer(on: loop)
        stepDownTimer = DeadlineTimer(on: loop)
        lookTimer = DeadlineTimer(on: loop)
        reader = ConfigurationReader(on: loop)
        events = EventStream(on: loop)

        try loop.add(monitor.number, .readable) { [weak self] _ in self?.readNews() }
        control.onMessage = { [weak self] message, descriptors in self?.obey(message, descriptors) }
        control.onClosed = { [weak self] ending in self?.lostSupervisor(ending) }
        tracker.onObservation = { [weak self] observation in
            for driver in self?.drivers ?? [] { driver.observe(observation) }
        }
        pauseTimer.onDeadline = { [weak self] in
            guard let self else { return }
            noticePause()
            watchTimer.follow(watch.nextDeadline)
        }
        watchTimer.onDeadline = { [weak self] in
            self?.noticePause()
            self?.watch.timeout(at: Clock.now)
            self?.balancerChanged()
        }
        lookTimer.onDeadline = { [weak self] in self?.look() }
        stepDownTimer.onDeadline = { [weak self] in
            self?.steppingDownUntil = nil
            self?.notifyBalancer()
        }
        watch.silence = silence
        beat()
        noticePause()
    }

    /// Runs until the supervisor says stop or is gone.
    ///
    /// - Returns: the exit status: 0 after a stop, 1 when the supervisor was lost.
    package func run() throws(Errno) -> Int32 {
        try loop.run()
        // Nothing is left to be done but to see that no program outlives this one.
        for hooks in retiredHooks { hooks.join() }
        return status
    }

    // MARK: The end

    private func lostSupervisor(_ ending: ControlChannel<SupervisorMessage, ChildMessage>.Ending) {
        around.log.error("The supervisor is gone.", ["because": ending])
        status = 1
        end()
    }

    /// Releases everything and leaves ``run()``, at this point of time at the latest.
    package func stop(by deadline: Instant) {
        guard !isEnding else { return }
        isEnding = true
        endBy = deadline
        guard drivers.contains(where: \.isActive) else { return end() }
        prepareRelease(by: deadline - Self.releaseReserve) { [weak self] in
            guard let self else { return }
            tellSteppingDown(until: .distantFuture)
            endsWhenParted = true
            for driver in drivers { driver.stepDown(for: nil, isForced: true) }
            loop.schedule(at: deadline - Self.releaseReserve) { [weak self] in self?.end() }
            parted()
        }
    }

    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        tracker.close()
        for group in groups { group.end() }
        groups = []
        for driver in drivers {
            driver.end()
            retire(driver, by: endBy ?? Clock.now + Self.lastHooks)
        }
        drivers = []
        answerStepDowns()
        events.close()
        loop.stop()
    }

    // MARK: Signs of life

    private func beat() {
        control.send(.beat)
        tellPeer()
        loop.schedule(at: Clock.now + ChildProcess.beatInterval) { [weak self] in self?.beat() }
    }

    // MARK: The kernel's news

    /// - Parameter looksAtOnce: whether what they call for is looked at before this returns.
    func readNews(looksAtOnce: Bool = false) {
        var isRelevant = false
        do throws(Errno) {
            try monitor.drain { news in
                switch news {
                case .lost:
                    around.log.warning("News of the kernel were lost; everything is looked at again.")
                    isRelevant = true
                // Most often our own renewal of its lifetime.
                case .address(let address):
                    isRelevant = isRelevant || (concerns(address.index) && !drivers.contains { $0.knows(address) })
                case .interface(let interface): isRelevant = isRelevant || concerns(interface.index, named: interface.name)
                case .interfaceRemoved(let index): isRelevant = isRelevant || concerns(index)
                case .addressRemoved(let address): isRelevant = isRelevant || concerns(address.index)
                }
            }
        } catch {
            around.log.error("News of the kernel cannot be read.", ["error": error])
            isRelevant = true
        }
        guard isRelevant || isLookDue else { return }
        if looksAtOnce || Clock.now - lastLook >= Self.lookInterval {
            look()
        } else {
            isLookDue = true
            lookTimer.follow(lastLook + Self.lookInterval)
        }
    }

    private func concerns(_ index: UInt32, named name: String? = nil) -> Bool {
        drivers.contains { $0.concerns(index, named: name) }
    }

    /// Compares everything with what the kernel shows: whatever the news were, and also when some were lost.
    private func look() {
        lookTimer.cancel()
        isLookDue = false
        lastLook = Clock.now
        looks += 1
        isBlind = false
        do throws(Errno) {
            let interfaces = try around.netlink.interfaces()
            for driver in drivers { driver.look(interfaces) }
        } catch {
            around.log.error("The kernel does not show its interfaces.", ["error": error])
            lookAgain()
        }
        if !isBlind { relookPause = Self.firstRelookPause }
    }

    /// Looks again in a moment, and each time in a longer one; several wishes are one.
    func lookAgain() {
        isBlind = true
        guard !isRelookPending else { return }
        isRelookPending = true
        loop.schedule(at: Clock.now + relookPause) { [weak self] in
            self?.isRelookPending = false
            self?.look()
        }
        relookPause = min(relookPause * 2, Self.longestRelookPause)
    }

    /// How often news of the kernel were lost.
    var newsLost: Int { monitor.lostCount }
}
