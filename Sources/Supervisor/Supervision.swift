// When a child is started, believed, killed, restarted and stopped: decided on virtual time, without a process.

package import Control
package import Wire

/// The life of the two children, and of one configuration after another.
///
/// ```
///            spawn            prepared/commit          serving
///   waiting ───────▶ starting ──────────────▶ starting ───────▶ serving
///      ▲                │ refused, silent, too late                │ silent
///      │                ▼                                          ▼
///      └──── exited ── killed ◀────────────────────────────────────┘
/// ```
///
/// The balancer is started first; `vip` follows when the balancer serves, so that nothing claims an address that nobody
/// serves. Later each restarts without the other. Stopping goes the other way round: `vip` says goodbye and releases its
/// addresses, then the balancer ends.
///
/// A reload is a vote: every child that serves prepares the new generation; when all have, all commit; one that cannot,
/// or does not answer, cancels it for all. A child that does not live at that moment has no vote: it is started by
/// whatever generation is committed then, because a reload is also how an operator mends what does not start.
package struct Supervision: Sendable {
    package typealias Role = ChildProcess.Role

    /// What happened.
    package enum Event: Sendable, Hashable {
        /// Start these children with this generation of the configuration.
        case start(roles: Set<Role>, generation: UInt64)
        /// The kernel did not start it.
        case spawnFailed(Role, reason: String)
        /// The process is gone and reaped.
        case exited(Role, how: String)
        /// The process is gone and reaped, and its holder brings a successor.
        case orphaned(Role, how: String)
        /// The successor is there.
        case succeeded(Role)
        /// What follows it gives up what it would have inherited: too many died one after another.
        case gaveUp(Role, reason: String)
        /// It broke the control protocol, or closed its end.
        case channelLost(Role)
        case beat(Role)
        case prepared(Role, generation: UInt64)
        case refused(Role, generation: UInt64, reason: String)
        case serving(Role, generation: UInt64)
        /// A new configuration was read and found good.
        case reload(roles: Set<Role>, generation: UInt64)
        /// Another process is to take its place, by its own program or another one: wanted, so no death to be counted.
        case replace(Role)
        /// Nothing came of its replacement in time: if it did not end, its next end is a death again; what follows it and does
        /// not serve yet is killed, so that the known program comes back at once.
        case keep(Role)
        /// End everything: at once, also in the middle of a drain.
        case stop
        /// End everything, and before it the sessions, which may take so long.
        case drain(Duration)
        /// It has no session any more.
        case drained(Role)
        /// ``nextDeadline`` has come.
        case timeout

        /// It happens all the time, and changes nothing that a successor of the supervisor should know.
        var isRoutine: Bool {
            if case .beat = self { true } else { false }
        }
    }

    /// What to do about it, in this order.
    package enum Action: Sendable, Hashable {
        /// Start the process, hand it the descriptors of this generation and ``SupervisorMessage/prepare(generation:)``.
        case spawn(Role, generation: UInt64)
        /// Make a new pair of sockets and give each child its end.
        case link
        /// Hand over what is new, then ``SupervisorMessage/prepare(generation:)``.
        case prepare(Role, generation: UInt64)
        case commit(Role, generation: UInt64)
        case cancel(Role, generation: UInt64)
        case stop(Role, deadline: Instant)
        /// Have its sessions end by that time, while everything else goes on.
        case drain(Role, deadline: Instant)
        case kill(Role)
        /// Have it end in the way that brings its replacement.
        case replace(Role)
        /// No successor came: close what is left of the process, so that nothing of it can come later.
        case abandon(Role)
        /// All children serve for the first time.
        case ready
        case reloadEnded(ReloadOutcome)
        /// For the log.
        case report(Report)
        /// Nothing is left to supervise.
        case finished(status: Int32)
    }

    /// How a reload ended.
    package enum ReloadOutcome: Sendable, Hashable {
        case committed(generation: UInt64)
        case refused(generation: UInt64, reason: String)
    }

    /// What an operator should read about.
    package enum Report: Sendable, Hashable {
        case silent(Role)
        case late(Role)
        case refusedToStart(Role, reason: String)
        case ended(Role, how: String)
        /// It ended because it is replaced.
        case replaced(Role)
        case restarting(Role, after: Duration)
        case succeeded(Role)
        case crashLoop(Role)
    }

    /// Times and bounds.
    package enum Limits {
        /// A child that has not beaten for so long is killed.
        package static let silence: Duration = .seconds(1)
        /// The same for a child that is only starting.
        package static let firstBeat: Duration = .seconds(5)
        /// A child serves so long after its start, or is killed.
        package static let start: Duration = .seconds(30)
        /// A child answers a reload within this time.
        package static let reload: Duration = .seconds(10)
        /// A child that is told to stop gets so long.
        package static let stop: Duration = .seconds(2)
        /// How long after its deadline a drain is waited for.
        package static let drainGrace: Duration = .milliseconds(500)
        /// How long after a signal that ends it a child is gone, on a machine that is busy.
        package static let reaping: Duration = .seconds(2)
        /// A child that served so long has got over its earlier deaths.
        package static let stable: Duration = .seconds(10)
        /// A successor is there so long after its predecessor's death: the holder tries another program, then the known one
        /// several times.
        package static let succession: Duration = .seconds(10)
        /// How long a restart waits, by the number of deaths without a stable time between them. The last one is a crash
        /// loop: the operator is told, and the pause stays.
        package static let pauses: [Duration] = [
            .zero, .milliseconds(50), .milliseconds(200), .seconds(1), .seconds(5),
        ]
        /// When this process itself woke so late, it heard nobody: everybody gets another ``silence``.
        package static let ownStall: Duration = .milliseconds(300)
        /// A child that is missing when this process goes on where another was is started so late: by then the keeper has
        /// repeated an order to stop, if there was one.
        package static let resumption: Duration = .milliseconds(500)
        /// Deaths that a row of successors counts for when it was given up: the next start waits so long that `vip` lets the
        /// address go to a host that is not in a crash loop.
        package static let rowOfDeaths = 4
    }

    enum State: Sendable, Hashable {
        /// Not wanted.
        case idle
        case waiting(until: Instant)
        /// Its holder, or a program that it starts, takes its place.
        case succeeding(until: Instant)
        /// - Parameters:
        ///   - silentAt: when the next beat is overdue.
        ///   - lateAt: when it must serve.
        case starting(generation: UInt64, silentAt: Instant, lateAt: Instant)
        case serving(generation: UInt64, silentAt: Instant, since: Instant)
        case stopping(killAt: Instant)
        /// - Parameter since: when it began to serve, if it did.
        case killed(since: Instant?)
    }

    struct Child: Sendable, Hashable {
        var state = State.idle
        /// Deaths since it was last stable.
        var deaths = 0
        var restarts: UInt64 = 0
        var lastEnding: String?
        /// Its end is wanted, and another process follows.
        var isReplaced = false
        /// Why its row of successors has ended.
        var givenUp: String?
    }

    enum Reload: Sendable, Hashable {
        case none
        case preparing(generation: UInt64, roles: Set<Role>, asked: Set<Role>, missing: Set<Role>, deadline: Instant)
        case committing(generation: UInt64, missing: Set<Role>, deadline: Instant)
    }

    var children: [Role: Child] = [.balancer: Child(), .vip: Child()]
    /// The children the committed configuration wants.
    var wanted: Set<Role> = []
    /// The committed generation.
    package internal(set) var generation: UInt64 = 0
    var reload = Reload.none
    var isReady = false
    package internal(set) var isStopping = false
    /// By when the balancer has drained at the latest, while it does.
    var drainsUntil: Instant?
    /// How long the balancer may take to end its sessions and itself, when it is told to stop.
    package var balancerStop = Limits.stop
    /// How long `vip` may take for the same, its hooks included.
    package var vipStop = Limits.stop
    /// Why the daemon gave up.
    package internal(set) var failure: String?
    var actions: [Action] = []

    package init() {}

    /// Goes on where the program before this one was: these children serve, and what is missing is started.
    ///
    /// - Parameters:
    ///   - past: how often each was restarted, and how its last process ended.
    ///   - roles: what the configuration in force wants.
    package init(
        resuming past: [Role: (restarts: UInt64, lastEnding: String?)], wanted roles: Set<Role>, generation: UInt64,
        at now: Instant
    ) {
        // One that is there and not wanted is dismissed by the next vote.
        wanted = roles.union(past.keys)
        self.generation = generation
        isReady = true
        for (role, past) in past {
            children[role] = Child(
                state: .serving(generation: generation, silentAt: now + Limits.firstBeat, since: now),
                restarts: past.restarts, lastEnding: past.lastEnding)
        }
        // The others follow when the balancer serves.
        let missing: Set<Role> = past[.balancer] == nil ? [.balancer] : roles.subtracting(past.keys)
        for role in missing { children[role]?.state = .waiting(until: now + Limits.resumption) }
    }

    // MARK: Events

    /// Takes notice of what happened, and says what to do about it.
    package mutating func handle(_ event: Event, at now: Instant) -> [Action] {
        switch event {
        case .start(let roles, let generation): start(roles, generation, at: now)
        case .spawnFailed(let role, let reason): ended(role, how: reason, at: now)
        case .exited(let role, let how): ended(role, how: how, at: now)
        case .orphaned(let role, let how): orphaned(role, how: how, at: now)
        case .succeeded(let role): succeeded(role, at: now)
        case .channelLost(let role):
            if isLive(role) {
                kill(role)
            } else if case .succeeding = children[role]?.state {
                abandonSuccession(role, how: children[role]?.givenUp ?? "no successor came", at: now)
            }
        case .gaveUp(let role, let reason): children[role]?.givenUp = reason
        case .beat(let role): beat(role, at: now)
        case .prepared(let role, let generation): prepared(role, generation, at: now)
        case .refused(let role, let generation, let reason): refused(role, generation, reason, at: now)
        case .serving(let role, let generation): serving(role, generation, at: now)
        case .reload(let roles, let generation): beginReload(roles, generation, at: now)
        case .replace(let role): replace(role)
        case .keep(let role): keep(role)
        case .stop: stop(drain: nil, at: now)
        case .drain(let time): stop(drain: time, at: now)
        case .drained(let role): drained(role, at: now)
        case .timeout: timeout(at: now)
        }
        defer { actions = [] }
        return actions
    }

    /// When ``Event/timeout`` is due; `nil` while nothing is pending.
    package var nextDeadline: Instant? {
        var deadlines = [drainsUntil].compactMap(\.self)
        for child in children.values {
            switch child.state {
            case .idle, .killed: break
            case .waiting(let until), .succeeding(let until): deadlines.append(until)
            case .starting(_, let silentAt, let lateAt): deadlines += [silentAt, lateAt]
            case .serving(_, let silentAt, _): deadlines.append(silentAt)
            case .stopping(let killAt): deadlines.append(killAt)
            }
        }
        switch reload {
        case .none: break
        case .preparing(_, _, _, _, let deadline), .committing(_, _, let deadline): deadlines.append(deadline)
        }
        return deadlines.min()
    }

    // MARK: Queries

    /// Whether sessions are being ended before anything else.
    package var isDraining: Bool { drainsUntil != nil }

    /// By when it was told to have drained; `nil` when nothing waits for sessions.
    package var drainDeadline: Instant? { drainsUntil.map { $0 - Limits.drainGrace } }

    package var isReloading: Bool { reload != .none }

    /// Whether the child has said that it does its work, and beats.
    package func isServing(_ role: Role) -> Bool {
        if case .serving = children[role]?.state { true } else { false }
    }

    /// Whether there is a process to talk to.
    package func isLive(_ role: Role) -> Bool {
        switch children[role]?.state {
        case .starting, .serving: true
        case .idle, .waiting, .succeeding, .stopping, .killed, nil: false
        }
    }

    /// How long the end may take, with children that hang.
    ///
    /// The keeper may wait as long as this process for who has to be killed.
    ///
    /// - Parameter drain: what ``Event/drain(_:)`` is told; `nil`: nothing waits for sessions.
    package func longestEnd(drain: Duration?) -> Duration {
        (drain.map { $0 + Limits.drainGrace } ?? .zero) + vipStop + balancerStop + Limits.reaping * 4
    }

    /// Whether its end is wanted, and another process follows.
    package func isReplaced(_ role: Role) -> Bool { children[role]?.isReplaced ?? false }

    /// Restarts since the start.
    package func restarts(_ role: Role) -> UInt64 { children[role]?.restarts ?? 0 }

    /// Whether a child dies again and again: restarts wait for the longest pause.
    package func isCrashLooping(_ role: Role, at now: Instant) -> Bool {
        guard let child = children[role], child.deaths >= Limits.pauses.count else { return false }
        if case .serving(_, _, let since) = child.state { return now - since < Limits.stable }
        return true
    }

    /// `serving`, `starting`, `waiting`, `stopping`, `killed` or `off`.
    package func phase(_ role: Role) -> String {
        switch children[role]?.state {
        case .idle, nil: "off"
        case .waiting: "waiting"
        case .succeeding: "succeeding"
        case .starting: "starting"
        case .serving: "serving"
        case .stopping: "stopping"
        case .killed: "killed"
        }
    }

    /// How the child's last process ended.
    package func lastEnding(_ role: Role) -> String? { children[role]?.lastEnding }
}
