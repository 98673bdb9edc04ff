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
/// - A session that could not even **connect** tells the same as a failed check and counts as one, so that a dead
///   broker is noticed by the first clients that meet it. A server that accepts and then **closes or stays silent**
///   only makes the next check come at once: a client's bytes may be the cause, and no client may take a server away
///   from the others. Neither counts while the server is down: they are late news about the time before.
/// - *busy*: the server says so in a CONNACK, or in a DISCONNECT. No new sessions until a good check.
/// - *drain*: no new session, not even one that sticks to it; those it has stay. *maintenance*: nor is it checked; it
///   leaves maintenance unusable, for one good check.
/// - Without a check a server is up, and nothing but the operator changes that.
package struct HealthState: Sendable {
    /// Where rise and fall stand, with the count that exists there.
    package enum Health: Hashable, Sendable {
        case unchecked
        case up
        /// Usable; failed checks in a row.
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
    }

    /// `nil`: the server is not checked.
    package private(set) var settings: CheckSettings?
    package private(set) var health: Health
    package private(set) var administrative: Administrative
    package private(set) var isBusy = false
    /// Whether a check, or a session that could not connect, has ever told how the server is.
    private var hasResult = false
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
        }
        self.settings = settings
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

    /// Whether anything is known: a result is in, or none is awaited.
    package var isKnown: Bool { hasResult || settings == nil || administrative == .maintenance }

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
        schedule.finished(next: administrative == .maintenance ? nil : settings?.fastInterval, at: now)
    }

    private mutating func sessionFailed(_ failure: Failure, at now: Instant) {
        guard let settings, administrative != .maintenance, isAlive else { return }
        if failure.isServersAlone { count(passed: false, settings) }
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
            schedule.hurry(gap: .zero, at: now)
        }
        administrative = wish
    }

    /// One result. As in HAProxy a single contrary result takes a server back to where it stood firmly.
    private mutating func count(passed: Bool, _ settings: CheckSettings) {
        hasResult = true
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
        health = failures >= settings.fall ? .down : .goingDown(failures: failures)
    }

    private mutating func pass(_ passes: Int, _ settings: CheckSettings) {
        health = passes >= settings.rise ? .up : .goingUp(passes: passes)
    }
}
