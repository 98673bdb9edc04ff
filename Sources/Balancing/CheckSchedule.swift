// When a server is checked next: intervals, jitter, and never two checks at a time.

import Wire

/// The times of one server's checks.
///
/// A check is *idle* (none is wanted), *due* at an instant, or *in flight*; in flight it ends only by its result, so a
/// result always belongs to the one check that runs. Waits are shortened by a seeded jitter: the same seed gives
/// the same times.
struct CheckSchedule: Sendable {
    enum State: Hashable, Sendable {
        case idle
        case due(Instant)
        case inFlight
    }

    private(set) var state: State = .idle
    private var lastStart: Instant?
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// When a check wants to be started; `nil` while none is wanted or one is in flight.
    var deadline: Instant? {
        if case .due(let instant) = state { instant } else { nil }
    }

    var isInFlight: Bool { state == .inFlight }

    mutating func started(at now: Instant) {
        precondition(state != .inFlight, "one check at a time")
        state = .inFlight
        lastStart = now
    }

    /// The check in flight has a result; the next starts within `wait`, or never.
    mutating func finished(next wait: Duration?, at now: Instant) {
        state = wait.map { .due(now + shortened($0, byPercent: CheckSettings.jitterPercent)) } ?? .idle
    }

    /// The next check starts somewhere within `spread`, unless one is due earlier or in flight.
    mutating func begin(within spread: Duration, at now: Instant) {
        advance(to: now + shortened(spread, byPercent: 100))
    }

    /// The next check starts at once, but not within `gap` after the last one started.
    mutating func hurry(gap: Duration, at now: Instant) {
        advance(to: max(now, lastStart.map { $0 + gap } ?? now))
    }

    /// No check is wanted any more; one in flight runs to its end.
    mutating func stop() {
        if state != .inFlight { state = .idle }
    }

    private mutating func advance(to instant: Instant) {
        switch state {
        case .idle: state = .due(instant)
        case .due(let earlier): state = .due(min(earlier, instant))
        case .inFlight: break
        }
    }

    private mutating func shortened(_ wait: Duration, byPercent percent: Int) -> Duration {
        let most = wait.nanoseconds / 100 * Int64(percent)
        return wait - .nanoseconds(Int64.random(in: 0...max(0, most), using: &random))
    }
}
