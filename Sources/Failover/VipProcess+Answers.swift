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
    /// - `step-down`, perhaps with `for_ms`: hand the addresses over; the peer has so many milliseconds for itself.
    func answer(_ request: JSON) -> JSON {
        switch request["command"]?.string {
        case "status": return statusReport
        case "step-down": return stepDown(request)
        case "history": return history(request)
        case let other?: return ["error": .string("vip does not know the command \(other)")]
        case nil: return ["error": "a request without a command"]
        }
    }

    private func stepDown(_ request: JSON) -> JSON {
        var duration: Duration?
        if let milliseconds = request["for_ms"] {
            guard let value = milliseconds.integer, (1...Self.longestStepDown).contains(value) else {
                return ["error": .string("for_ms is a whole number from 1 to \(Self.longestStepDown)")]
            }
            duration = .milliseconds(value)
        }
        let active = drivers.filter(\.isActive).map(\.name)
        stepDown(for: duration)
        return ["ok": true, "handed_over": .array(active.map { .string($0) })]
    }

    /// A week, in milliseconds.
    private static let longestStepDown: Int64 = 7 * 86_400_000

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
