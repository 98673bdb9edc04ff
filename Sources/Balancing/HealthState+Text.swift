// Why a server is as it is, in words for logs and status.

extension HealthState.Failure: CustomStringConvertible {
    /// `connection refused (errno 111)`-like words; the shell that has the C library's text may say more.
    package var description: String {
        switch self {
        case .connect(let errno): "cannot connect, errno \(errno)"
        case .connectTimeout: "no connection in time"
        case .closed: "closed before its CONNACK"
        case .silent: "no CONNACK in time"
        case .malformed: "its answer is no CONNACK"
        case .connack(let code): "refused by CONNACK code \(code)"
        case .http(let status): "answered with HTTP status \(status)"
        case .agent(let words): "the agent says \(words)"
        case .handshake(let reason): "no TLS: \(reason)"
        case .upgrade(let reason): "no WebSocket: \(reason)"
        }
    }
}

extension HealthState.Event: CustomStringConvertible {
    /// `check passed`, `check failed: no CONNACK in time`, `operator: drain`.
    package var description: String {
        switch self {
        case .checkStarted: "check started"
        case .checkPassed: "check passed"
        case .checkFailed(let failure): "check failed: \(failure)"
        case .checkBusy(let code): "check answered busy, CONNACK code \(code)"
        case .checkSkipped: "no check, for want of a port or descriptor of our own"
        case .checkDraining(.agent): "check: the agent says drain"
        case .checkDraining(.http(let status)): "check: HTTP status \(status) means drain"
        case .sessionFailed(let failure): "a session failed: \(failure)"
        case .sessionBusy(let code): "a session was answered busy, CONNACK code \(code)"
        case .sessionSentAway(let code): "a session was ended, DISCONNECT code \(code)"
        case .administrative(let wish): "operator: \(wish.rawValue)"
        }
    }
}

extension HealthState.Event {
    /// Whether it answers a check.
    var isCheckResult: Bool {
        switch self {
        case .checkPassed, .checkFailed, .checkBusy, .checkDraining, .checkSkipped: true
        case .checkStarted, .sessionFailed, .sessionBusy, .sessionSentAway, .administrative: false
        }
    }
}
