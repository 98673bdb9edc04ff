// What the vip process answers: its status, and the operator's wish to step down.

import Control
import Linux
import VRRP
import Wire

extension VipProcess {
    /// Answers `{"command": …}`.
    ///
    /// - `status`: what every router does and why, the balancer as heard, and the delay of this process.
    /// - `history`, perhaps of one `router`: the last ten minutes.
    /// - `step-down`, perhaps with `for_ms` and `force`: hand the addresses over; answered when it is known who has them
    ///   (``stepDown(_:_:)``).
    ///
    /// - Parameter reply: called once with the answer, perhaps later.
    func answer(_ request: JSON, _ reply: @escaping (JSON) -> Void) {
        switch request["command"]?.string {
        case "status": reply(statusReport)
        case "step-down": stepDown(request, reply)
        case "history": reply(history(request))
        case let other?: reply(["error": .string("vip does not know the command \(other)")])
        case nil: reply(["error": "a request without a command"])
        }
    }

    private var statusReport: JSON {
        let now = Clock.now
        return [
            "routers": .array(drivers.map { $0.report(at: now) }),
            "groups": .array(groups.map(\.report)),
            "event_subscribers": JSON(events.count),
            "events_lost": JSON(events.lost),
            "balancer": balancerReport(at: now),
            "stepping_down_for_ms": steppingDownUntil.map { milliseconds($0 - now) } ?? .null,
            "scheduling": [
                "real_time": JSON(punctuality.isRealTime),
                "real_time_priority": realTimePriority.map { JSON($0) } ?? .null,
                "memory_locked": JSON(punctuality.hasLockedMemory),
                "delay_last_us": JSON(loop.lastLateness.nanoseconds / 1000),
                "delay_worst_us": JSON(loop.worstLateness.nanoseconds / 1000),
            ],
            "peer_reports_stale": JSON(staleReports),
            "tracking_silences": JSON(tracker.silences),
            "announcements_sent": JSON(around.announcer.sentCount),
            "netlink_news_lost": JSON(newsLost),
            "netlink_looks": JSON(looks),
        ]
    }

    private func balancerReport(at now: Instant) -> JSON {
        [
            "ready": JSON(watch.isReady),
            "why": .string(watch.reason),
            "last_beat_ms": watch.lastBeat.map { milliseconds(now - $0) } ?? .null,
            "beats": JSON(watch.beats),
            "losses": JSON(watch.losses),
            "serving": lastBeat.map { JSON($0.serving) } ?? .null,
            "settled": lastBeat.map { JSON($0.settled) } ?? .null,
            "in_sync": lastBeat.map { JSON($0.inSync) } ?? .null,
            "usable_servers": lastBeat.map { JSON($0.usableServers) } ?? .null,
        ]
    }
}

/// A duration in whole milliseconds.
func milliseconds(_ duration: Duration) -> JSON { JSON(duration.wholeMilliseconds) }
