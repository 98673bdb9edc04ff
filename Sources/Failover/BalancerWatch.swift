// Whether the balancer serves, judged from its beats: unknown counts as no.

package import Wire

/// Judges whether this host can serve, from the balancer's beats over the direct link. Pure.
///
/// ```
///   not ready ── a beat: serving and settled ──▶ ready ── a beat: not serving ───────────────────┐
///      ▲                                          │   ── no beat for ``silence`` ─────────────────┤
///      │                                          │   ── died or link closed, and no beat of a    │
///      │                                          │      successor in ``Bounds/reconnection`` ────┤
///      └──────────────────────────────────────────┴───────────────────────────────────────────────┘
/// ```
///
/// *Settled* (the servers are known) is required to become ready, not to stay so: a balancer that crashed comes back in
/// milliseconds with its sessions, and giving up the address while it checks its servers again would make a small event
/// a large one.
package struct BalancerWatch: Sendable {
    /// Bounds of patience.
    package enum Bounds {
        /// Three beats of a balancer that says them in real time, as this process listens.
        package static let silence = Duration.milliseconds(75)
        /// Where nobody has a real-time priority: other programs may keep a living balancer waiting.
        package static let ordinarySilence = Duration.milliseconds(150)
        /// The balancer died, which is seen at once; its successor is started within milliseconds.
        package static let reconnection = Duration.milliseconds(300)
        /// The most that pauses of our own prolong one silence by: who stood still for longer is judged like everybody.
        package static let ownPause = Duration.seconds(1)
    }

    /// What is heard of the balancer.
    package enum Event: Hashable, Sendable {
        /// A link to a balancer, perhaps a new one, that has said nothing yet.
        case linkOpened
        /// The balancer closed the link.
        case linkClosed
        /// The balancer has died.
        case died
        case beat(serving: Bool, settled: Bool, inSync: Bool)
        /// This process itself did not run for so long. A machine that stood still stood still for the balancer as well: such
        /// a time tells nothing about it, and does not count as its silence.
        case ownPause(Duration)
    }

    /// Whether the host can serve.
    package private(set) var isReady = false
    /// Why, for humans.
    package private(set) var reason = "no link to the balancer yet"
    /// Whether the balancer knows what its peer knows.
    package private(set) var isInSync = false
    /// When the last beat came.
    package private(set) var lastBeat: Instant?
    /// Beats so far.
    package private(set) var beats: UInt64 = 0
    /// Times the balancer was found silent or gone while it had been ready.
    package private(set) var losses: UInt64 = 0
    /// When ``timeout(at:)`` wants to be called; `nil` while nothing is pending.
    package private(set) var nextDeadline: Instant?

    /// How long no beat may come from a balancer that lives.
    package var silence = Bounds.ordinarySilence

    private var isLinked = false
    /// The link was closed or replaced, and nothing was heard since.
    private var awaitsSuccessor = false
    /// By how much pauses of our own have prolonged this silence.
    private var excused = Duration.zero

    package init() {}

    /// Takes in what was heard of the balancer.
    package mutating func handle(_ event: Event, at now: Instant) {
        switch event {
        case .linkOpened:
            isLinked = true
            if isReady { awaitSuccessor(at: now) } else { reason = "the balancer has not reported yet" }
        case .linkClosed, .died:
            isLinked = false
            if isReady { awaitSuccessor(at: now) } else { lose("the balancer is gone") }
        case .beat(let serving, let settled, let inSync):
            beats += 1
            lastBeat = now
            isInSync = inSync
            nextDeadline = now + silence
            awaitsSuccessor = false
            excused = .zero
            if !serving {
                isReady = false
                reason = "the balancer does not serve"
            } else if isReady || settled {
                isReady = true
                reason = "the balancer serves"
            } else {
                reason = "the balancer does not know its servers yet"
            }
        case .ownPause(let duration):
            guard let deadline = nextDeadline else { return }
            let more = min(duration, Bounds.ownPause - excused)
            excused += more
            nextDeadline = deadline + more
        }
    }

    /// What time alone calls for; early calls are harmless.
    package mutating func timeout(at now: Instant) {
        guard let deadline = nextDeadline, now >= deadline else { return }
        if isReady { losses += 1 }
        lose(isLinked ? "the balancer is silent" : "the balancer is gone")
    }

    /// Begins the time a successor has for its first beat. Successors that come and go in it do not prolong it.
    private mutating func awaitSuccessor(at now: Instant) {
        guard !awaitsSuccessor else { return }
        awaitsSuccessor = true
        nextDeadline = now + Bounds.reconnection
    }

    private mutating func lose(_ why: String) {
        isReady = false
        isInSync = false
        awaitsSuccessor = false
        excused = .zero
        reason = why
        nextDeadline = nil
    }
}
