// The last ten minutes of a virtual router, so that an operator gets evidence instead of guesses.

package import Wire

/// What a router sent, heard, refused and became, and how late the machine let it run.
///
/// Bounded: one bucket for each of the last ``seconds`` seconds, the last ``maximumRefusals`` refusals (the same one
/// again only counts) and the last ``maximumTransitions`` changes of role. About 40 KB, allocated once; noting something
/// allocates nothing but the words of a cause.
package struct History: Sendable {
    /// How far back it reaches, in seconds.
    package static let seconds = 600
    /// Refusals kept one by one; older ones remain in the buckets' counts.
    package static let maximumRefusals = 128
    /// Changes of role kept.
    package static let maximumTransitions = 128
    /// The upper bounds of the classes of scheduling delay, in microseconds; a last class holds what is above.
    package static let delayBounds: [Int64] = [100, 1_000, 5_000, 20_000, 100_000, 500_000]

    /// What happened within one second.
    private struct Bucket: Sendable {
        var second: Int64 = -1
        var sent: UInt32 = 0
        var seen: UInt32 = 0
        var refused: UInt32 = 0
        var longestDelay: Int64 = 0
        var delays = InlineArray<7, UInt16>(repeating: 0)
    }

    /// A refused advertisement, and how often the same one came again.
    private struct RefusalEntry: Sendable {
        var reason: Advertisement.Discard
        var from: IPAddress
        var first: Instant
        var last: Instant
        var count: UInt64
    }

    private struct TransitionEntry: Sendable {
        var at: Instant
        var from: VirtualRouter.Role
        var to: VirtualRouter.Role
        var cause: String
    }

    private var buckets = [Bucket](repeating: Bucket(), count: History.seconds)
    private var refusals: [RefusalEntry] = []
    private var transitions: [TransitionEntry] = []
    /// Refusals that made room for newer ones.
    package private(set) var refusalsForgotten: UInt64 = 0
    /// Changes of role that made room for newer ones.
    package private(set) var transitionsForgotten: UInt64 = 0

    /// An empty history.
    package init() {}

    /// Notes an event with the router's answer to it, or a timeout (`nil`) with its.
    package mutating func note(
        _ event: VirtualRouter.Event?, _ actions: VirtualRouter.Actions, at now: Instant
    ) {
        var wasRefused = false
        for action in actions {
            switch action {
            case .advertise: change(now) { Self.add(1, to: &$0.sent) }
            case .refused(let reason, let from):
                wasRefused = true
                refuse(reason, from, at: now)
            case .transition(let from, let to, let cause):
                Self.append(
                    TransitionEntry(at: now, from: from, to: to, cause: "\(cause)"), to: &transitions,
                    bound: Self.maximumTransitions, forgotten: &transitionsForgotten)
            case .claim, .release, .drain, .announce: break
            }
        }
        if case .received = event, !wasRefused { change(now) { Self.add(1, to: &$0.seen) } }
    }

    /// Notes how late the process ran: a timer that was due at `deadline` was served at `now`.
    package mutating func woke(due deadline: Instant, at now: Instant) {
        let delay = max((now - deadline).nanoseconds, 0)
        let kind = Self.delayBounds.firstIndex { delay <= $0 * 1_000 } ?? Self.delayBounds.count
        change(now) {
            $0.longestDelay = max($0.longestDelay, delay)
            Self.add(1, to: &$0.delays[kind])
        }
    }

    private mutating func refuse(_ reason: Advertisement.Discard, _ from: IPAddress, at now: Instant) {
        change(now) { Self.add(1, to: &$0.refused) }
        if let last = refusals.indices.last(where: { refusals[$0].reason == reason && refusals[$0].from == from }) {
            // Moved to the end, so that the list stays in the order of the last occurrence.
            var entry = refusals.remove(at: last)
            entry.last = now
            entry.count += 1
            return refusals.append(entry)
        }
        Self.append(
            RefusalEntry(reason: reason, from: from, first: now, last: now, count: 1), to: &refusals,
            bound: Self.maximumRefusals, forgotten: &refusalsForgotten)
    }

    private mutating func change(_ now: Instant, _ body: (inout Bucket) -> Void) {
        let second = Self.second(now)
        let index = Int(second % Int64(Self.seconds))
        if buckets[index].second != second {
            buckets[index] = Bucket()
            buckets[index].second = second
        }
        body(&buckets[index])
    }

    private static func second(_ instant: Instant) -> Int64 { max(instant.nanoseconds, 0) / 1_000_000_000 }

    private static func add<Count: FixedWidthInteger>(_ count: Count, to total: inout Count) {
        let (sum, overflow) = total.addingReportingOverflow(count)
        total = overflow ? .max : sum
    }

    private static func append<Entry>(
        _ entry: Entry, to list: inout [Entry], bound: Int, forgotten: inout UInt64
    ) {
        if list.count == bound {
            list.removeFirst()
            forgotten += 1
        }
        list.append(entry)
    }

    // MARK: Rendering

    /// The history as seen at `now`: times as ages in milliseconds, one row for each second in which something happened,
    /// the oldest first. A row is `[age in s, sent, seen, refused, longest delay in us]`.
    package func report(at now: Instant) -> JSON {
        let oldest = Self.second(now) - Int64(Self.seconds)
        let rows = buckets.filter { $0.second > oldest && $0.second >= 0 }.sorted { $0.second < $1.second }
        return [
            "window_s": JSON(Self.seconds),
            "sent": JSON(rows.reduce(0) { $0 + UInt64($1.sent) }),
            "seen": JSON(rows.reduce(0) { $0 + UInt64($1.seen) }),
            "refused": JSON(rows.reduce(0) { $0 + UInt64($1.refused) }),
            "scheduling_delay": delayReport(rows),
            "transitions": .array(
                transitions.filter { Self.second($0.at) > oldest }.map {
                    [
                        "age_ms": Self.age($0.at, now), "from": .string($0.from.rawValue),
                        "to": .string($0.to.rawValue),
                        "cause": .string($0.cause),
                    ]
                }),
            "refusals": refusalReport(at: now, since: oldest),
            "refusals_forgotten": JSON(refusalsForgotten),
            "transitions_forgotten": JSON(transitionsForgotten),
            "rows": .array(
                rows.map {
                    [
                        JSON(Self.second(now) - $0.second), JSON($0.sent), JSON($0.seen), JSON($0.refused),
                        JSON($0.longestDelay / 1_000),
                    ]
                }),
        ]
    }

    /// The refusals still remembered, by reason and sender, that came again after this second; all by default.
    package func refusalReport(at now: Instant, since oldest: Int64 = -1) -> JSON {
        .array(
            refusals.filter { Self.second($0.last) > oldest }.map {
                [
                    "reason": .string($0.reason.rawValue), "from": .string($0.from.description),
                    "count": JSON($0.count), "first_age_ms": Self.age($0.first, now),
                    "last_age_ms": Self.age($0.last, now),
                ]
            })
    }

    private func delayReport(_ rows: [Bucket]) -> JSON {
        let counts = (0...Self.delayBounds.count).map { kind in
            rows.reduce(UInt64(0)) { $0 + UInt64($1.delays[kind]) }
        }
        let classes = zip(Self.delayBounds.map { "up_to_\($0)us" } + ["above"], counts)
        return .object(
            [JSON.Member("longest_us", JSON((rows.map(\.longestDelay).max() ?? 0) / 1_000))]
                + classes.map { JSON.Member($0, JSON($1)) })
    }

    private static func age(_ instant: Instant, _ now: Instant) -> JSON {
        JSON(max((now - instant).wholeMilliseconds, 0))
    }
}
