// What is known about one server, and whether it may get new sessions.

package import Wire

/// Health of one server: HAProxy's rise and fall, the operator's word, and *busy*.
///
/// ```
///             first good check                  fall-th failure in a row
///  unchecked ─────────────────► up ◄──► goingDown ─────────────────────► down ◄──► goingUp
///      └── first failure ─► down    good                                   failure    │
///                               ▲───────────── rise-th good check in a row ───────────┘
/// ```
///
/// - *unchecked* is presumed usable (a wrong guess costs one replay, refusing everybody costs an outage), but the host
///   must not take the address before ``isKnown``.
/// - A session that could not even **connect** makes the next check come at once, and stands for one failed check, so
///   that a dead broker is noticed by the first clients that meet it. But **only a check takes a server down**, and a
///   session that reaches the server undoes what sessions have said: of thousands that connect in a storm a few are
///   unlucky. A server that accepts and then **closes or stays silent** only makes the next check come at once: a
///   client's bytes may be the cause, and no client may take a server away from the others. Neither counts while the
///   server is down: they are late news about the time before.
/// - A host that **cannot check** (no port, no permission) must not wait for ever to know: after ``blindChecks`` checks
///   that could not be made the server counts as known, stays presumed usable, and ``isBlind``.
/// - *busy*: the server says so in a CONNACK, or in a DISCONNECT. No new sessions until a good check.
/// - *drain*: no new session, not even one that sticks to it; those it has stay. *maintenance*: nor is it checked; it
///   leaves maintenance unusable, for one good check.
/// - Without a check a server is up, and nothing but the operator changes that.
package struct HealthState: Sendable {
    /// Where rise and fall stand, with the count that exists there.
    package enum Health: Hashable, Sendable {
        case unchecked
        case up
        /// Usable; failed checks in a row, without what sessions say.
        case goingDown(failures: Int)
        case down
        /// Not usable yet; good checks in a row.
        case goingUp(passes: Int)
    }

    /// What the operator wants.
    package enum Administrative: String, Hashable, Sendable, CaseIterable { case ready, drain, maintenance }

    /// Why a check or a session failed.
    package enum Failure: Hashable, Sendable {
        /// The kernel's refusal, with its errno. Shortage on our own side (ports, descriptors) is none of the server's
        /// failures and is not reported here.
        case connect(errno: Int32)
        /// No connection in time.
        case connectTimeout
        /// Connected, then closed before CONNACK.
        case closed
        /// Connected, no CONNACK in time.
        case silent
        /// Answered with something that is no CONNACK.
        case malformed
        /// Refused by CONNACK with this code.
        case connack(UInt8)
        /// Answered with this HTTP status, which is not the one expected.
        case http(status: Int)
        /// Its agent says so, in these words.
        case agent(String)
        /// TLS with it failed, for this reason.
        case handshake(String)
        /// It gave no WebSocket, for this reason.
        case upgrade(String)

        /// Whether no client can have caused it.
        var isServersAlone: Bool {
            switch self {
            case .connect, .connectTimeout: true
            case .closed, .silent, .malformed, .connack, .http, .agent, .handshake, .upgrade: false
            }
        }
    }

    /// What can happen to a server.
    package enum Event: Hashable, Sendable {
        case checkStarted
        case checkPassed
        case checkFailed(Failure)
        /// The check was answered with this CONNACK code, *unavailable* or *busy*: alive, but not for new sessions.
        case checkBusy(code: UInt8)
        /// The check was answered: alive, but not for new sessions.
        case checkDraining(DrainReason)
        /// The check could not be made for want of something of our own: it tells nothing about the server.
        case checkSkipped
        /// A client's session got no CONNACK from the server.
        case sessionFailed(Failure)
        /// A client's session was answered with this CONNACK code, *unavailable* or *busy*.
        case sessionBusy(code: UInt8)
        /// A client's session was ended with a DISCONNECT of this code, which says that the server wants no sessions now.
        case sessionSentAway(code: UInt8)
        case administrative(Administrative)
    }

    /// How a check learns that a server wants no new sessions, besides a CONNACK.
    package enum DrainReason: Hashable, Sendable {
        /// The agent said *drain* or *maint*, and not *ready* since.
        case agent
        /// Answered with the status that means this.
        case http(status: Int)
    }

    /// One word for all of it, as shown to the operator.
    package enum Status: String, Hashable, Sendable, CaseIterable {
        case unchecked, up, busy, drain, down, maintenance
        case goingDown = "going-down"
        case goingUp = "going-up"
    }

    /// A change of ``Status``.
    package struct Transition: Hashable, Sendable {
        package let from: Status
        package let to: Status
        package let cause: Event
        /// When the former status began.
        package let since: Instant

        package init(from: Status, to: Status, cause: Event, since: Instant) {
            self.from = from
            self.to = to
            self.cause = cause
            self.since = since
        }

        /// Whether the sessions the server has are to be closed, where the file wants that: a check found it dead. One that
        /// comes back from maintenance is not up yet, and no news about the sessions it kept.
        package var closesSessions: Bool {
            guard to == .down, case .checkFailed = cause else { return false }
            return true
        }
    }

    /// Checks in a row that could not be made, after which nobody waits for the first result any more.
    package static let blindChecks = 3

    /// `nil`: the server is not checked.
    package private(set) var settings: CheckSettings?
    package private(set) var health: Health
    package private(set) var administrative: Administrative
    package private(set) var isBusy = false
    /// Whether a check has ever told how the server is.
    private var hasResult = false
    /// Sessions that could not connect, since a session or a check last reached the server or took it down; fewer than
    /// ``CheckSettings/fall``.
    private(set) var strikes = 0
    /// Checks in a row that could not be made; at most ``blindChecks``.
    private var skips = 0
    private var schedule: CheckSchedule
    /// When the present ``status`` began.
    package private(set) var since: Instant
    /// What brought the present ``status``; `nil` for the first.
    package private(set) var cause: Event?

    /// - Parameters:
    ///   - settings: `nil` for a server that is not checked.
    ///   - seed: Of the jitter.
    package init(
        _ settings: CheckSettings?, administrative: Administrative = .ready, seed: UInt64, at now: Instant
    ) {
        self.settings = settings
        self.administrative = administrative
        health = settings == nil ? .up : .unchecked
        schedule = CheckSchedule(seed: seed)
        since = now
        if settings != nil, administrative != .maintenance {
            schedule.begin(within: CheckSettings.startSpread, at: now)
        }
    }

    /// Takes one event in.
    ///
    /// - Returns: The change of ``status`` it made, if any.
    package mutating func handle(_ event: Event, at now: Instant) -> Transition? {
        let before = status
        switch event {
        case .checkStarted: schedule.started(at: now)
        case .checkPassed: finish(passed: true, busy: false, at: now)
        case .checkBusy, .checkDraining: finish(passed: true, busy: true, at: now)
        case .checkSkipped: skip(at: now)
        case .checkFailed: finish(passed: false, busy: isBusy, at: now)
        case .sessionFailed(let failure): sessionFailed(failure, at: now)
        case .sessionBusy, .sessionSentAway: sessionBusy(at: now)
        case .administrative(let wish): change(to: wish, at: now)
        }
        guard status != before else { return nil }
        let transition = Transition(from: before, to: status, cause: event, since: since)
        since = now
        cause = event
        return transition
    }

    /// A session reached the server: what others said who could not is no more than their bad luck.
    package mutating func sessionConnected() { strikes = 0 }

    /// Applies other numbers, or switches checking on or off, keeping what is known.
    package mutating func apply(_ settings: CheckSettings?, at now: Instant) {
        guard settings != self.settings else { return }
        let before = status
        if settings == nil {
            health = .up
            isBusy = false
            schedule.stop()
        } else if self.settings == nil {
            health = .unchecked
            hasResult = false
            skips = 0
        }
        self.settings = settings
        strikes = min(strikes, settings.map { $0.fall - 1 } ?? 0)
        if settings != nil, administrative != .maintenance {
            schedule.begin(within: CheckSettings.startSpread, at: now)
        }
        if status != before {
            since = now
            cause = nil
        }
    }
}

// MARK: - Queries

extension HealthState {
    /// Whether new sessions may go to the server. Those that stick to it are new sessions too: drain and busy send them
    /// elsewhere.
    package var isUsable: Bool {
        guard administrative == .ready, !isBusy else { return false }
        return isAlive
    }

    /// Whether anything is known: a result is in, or none is awaited (any more).
    package var isKnown: Bool { hasResult || settings == nil || administrative == .maintenance || isBlind }

    /// Whether this host cannot find out how the server is: nothing was ever known, and checks cannot be made.
    package var isBlind: Bool { settings != nil && !hasResult && skips >= Self.blindChecks }

    /// When a check wants to be started; then ``Event/checkStarted`` is expected, and every check that started is
    /// answered by exactly one result.
    package var nextDeadline: Instant? { schedule.deadline }

    package var isCheckInFlight: Bool { schedule.isInFlight }

    /// The most telling word: maintenance before down before drain before busy.
    package var status: Status {
        if administrative == .maintenance { return .maintenance }
        switch health {
        case .down: return .down
        case .goingUp: return .goingUp
        case .unchecked, .up, .goingDown: break
        }
        if administrative == .drain { return .drain }
        if isBusy { return .busy }
        switch health {
        case .unchecked: return .unchecked
        case .goingDown: return .goingDown
        case .up, .down, .goingUp: return .up
        }
    }

    /// Whether checks found it dead, and none has passed since.
    package var isDown: Bool { health == .down }

    private var isAlive: Bool {
        switch health {
        case .unchecked, .up, .goingDown: true
        case .down, .goingUp: false
        }
    }
}

// MARK: - Events

extension HealthState {
    private mutating func finish(passed: Bool, busy: Bool, at now: Instant) {
        guard schedule.isInFlight else { return }
        guard let settings, administrative != .maintenance else {
            // Maintenance began while the check was in flight: its result tells nothing any more.
            schedule.finished(next: nil, at: now)
            return
        }
        isBusy = busy
        count(passed: passed, settings)
        let isOpen =
            switch health {
            case .up, .down: isBusy
            case .unchecked, .goingDown, .goingUp: true
            }
        schedule.finished(next: isOpen ? settings.fastInterval : settings.interval, at: now)
    }

    /// The check in flight ends without a result.
    private mutating func skip(at now: Instant) {
        guard schedule.isInFlight else { return }
        skips = min(skips + 1, Self.blindChecks)
        schedule.finished(next: administrative == .maintenance ? nil : settings?.fastInterval, at: now)
    }

    private mutating func sessionFailed(_ failure: Failure, at now: Instant) {
        guard let settings, administrative != .maintenance, isAlive else { return }
        if failure.isServersAlone { strikes = min(strikes + 1, settings.fall - 1) }
        schedule.hurry(gap: settings.fastInterval, at: now)
    }

    private mutating func sessionBusy(at now: Instant) {
        guard let settings, administrative != .maintenance else { return }
        isBusy = true
        schedule.hurry(gap: settings.fastInterval, at: now)
    }

    private mutating func change(to wish: Administrative, at now: Instant) {
        guard wish != administrative else { return }
        if wish == .maintenance {
            schedule.stop()
        } else if administrative == .maintenance, let settings {
            health = settings.rise == 1 ? .down : .goingUp(passes: settings.rise - 1)
            isBusy = false
            strikes = 0
            schedule.hurry(gap: .zero, at: now)
        }
        administrative = wish
    }

    /// One check's result. As in HAProxy a single contrary result takes a server back to where it stood firmly.
    private mutating func count(passed: Bool, _ settings: CheckSettings) {
        hasResult = true
        skips = 0
        if passed { strikes = 0 }
        switch (health, passed) {
        case (.unchecked, _): health = passed ? .up : .down
        case (.up, true), (.goingDown, true): health = .up
        case (.down, false), (.goingUp, false): health = .down
        case (.up, false): fail(1, settings)
        case (.goingDown(let failures), false): fail(failures + 1, settings)
        case (.down, true): pass(1, settings)
        case (.goingUp(let passes), true): pass(passes + 1, settings)
        }
    }

    private mutating func fail(_ failures: Int, _ settings: CheckSettings) {
        // What sessions met stands for checks, but not for this one.
        guard failures + strikes >= settings.fall else {
            health = .goingDown(failures: failures)
            return
        }
        health = .down
        strikes = 0
    }

    private mutating func pass(_ passes: Int, _ settings: CheckSettings) {
        health = passes >= settings.rise ? .up : .goingUp(passes: passes)
    }
}
