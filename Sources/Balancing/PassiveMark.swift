// Servers judged by the sessions that could not reach them: NGINX's max_fails and fail_timeout.

package import Wire

/// When sessions that cannot connect take a server out of the choice for a while, with or without checks.
package struct PassiveSettings: Hashable, Sendable {
    /// Failures within ``failTimeout`` that mark a server; at least 1.
    package let maximumFails: Int
    /// Both the time in which failures are counted and the time a mark lasts; more than zero.
    package let failTimeout: Duration

    package init(maximumFails: Int = 1, failTimeout: Duration = .seconds(10)) {
        precondition(maximumFails >= 1 && failTimeout > .zero)
        self.maximumFails = maximumFails
        self.failTimeout = failTimeout
    }
}

/// The mark of one server.
///
/// ```
///  clear ── max-fails within fail-timeout ──► marked ── fail-timeout later, one session ──► trial
///    ▲                                           ▲                                            │ │
///    └────────────────── it connects ────────────┼────────────────────────────────────────────┘ │
///                                                └───────── it cannot connect ──────────────────┘
/// ```
///
/// Only what no client can cause counts: a session that could not connect. A trial whose end nobody reports is over
/// after another fail-timeout. Unlike NGINX's the count is one for all loops.
package struct PassiveMark: Hashable, Sendable {
    /// Where a server stands.
    package enum State: Hashable, Sendable {
        /// Failures since a first one; 0 of them: none that matters.
        case clear(failures: Int, since: Instant)
        case marked(until: Instant)
        /// One session tries it; another may at `until`.
        case trial(until: Instant)
    }

    package private(set) var state = State.clear(failures: 0, since: .zero)
    /// Times the server was marked, after failed trials too.
    package private(set) var marks: UInt64 = 0

    /// Whether a session may be sent there.
    package func accepts(at now: Instant) -> Bool {
        switch state {
        case .clear: true
        case .marked(let until), .trial(let until): now >= until
        }
    }

    /// A session is sent there.
    mutating func chosen(_ settings: PassiveSettings, at now: Instant) {
        switch state {
        case .clear: break
        case .marked(let until), .trial(let until):
            if now >= until { state = .trial(until: now + settings.failTimeout) }
        }
    }

    /// A session could not connect.
    mutating func failed(_ settings: PassiveSettings, at now: Instant) {
        switch state {
        case .clear(let failures, let since):
            let isRecent = failures > 0 && now - since <= settings.failTimeout
            let count = isRecent ? failures + 1 : 1
            if count >= settings.maximumFails {
                mark(settings, at: now)
            } else {
                state = .clear(failures: count, since: isRecent ? since : now)
            }
        // Late news about the time before.
        case .marked: break
        case .trial: mark(settings, at: now)
        }
    }

    /// A session is connected.
    mutating func connected() {
        guard case .trial = state else { return }
        state = .clear(failures: 0, since: .zero)
    }

    /// Forgets everything but the count of ``marks``.
    mutating func clear() { state = .clear(failures: 0, since: .zero) }

    private mutating func mark(_ settings: PassiveSettings, at now: Instant) {
        marks += 1
        state = .marked(until: now + settings.failTimeout)
    }
}
