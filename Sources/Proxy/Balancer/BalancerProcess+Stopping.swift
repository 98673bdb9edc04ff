// How sessions end when the daemon does: between two packets, at a rate, by a deadline.

import Balancing
import Control
import Linux
import Telemetry
import Wire

extension BalancerProcess {
    /// What is kept of the time for an end to cut what is left.
    private static let cutReserve: Duration = .milliseconds(150)
    /// How often a drain takes its next share.
    private static let drainPause: Duration = .milliseconds(20)

    private var sessions: Int { registry?.listeners.reduce(0) { $0 + max(0, $1.sessions.value) } ?? 0 }

    /// Ends every session, but stays.
    ///
    /// - Parameter rate: sessions a second at most; 0: all at once.
    func drain(by deadline: Instant, rate: Int) {
        log.notice(
            "sessions are drained",
            ["sessions": "\(sessions)", "rate": rate == 0 ? "none" : "\(rate)/s", "within": (deadline - Clock.now).text])
        for handle in loops { handle.mailbox.post(.drain(most: 0)) }
        let bucket = rate == 0 ? nil : TokenBucket(rate: rate, burst: max(1, rate / 10), at: Clock.now)
        drains += 1
        drain(by: deadline, bucket, drains)
    }

    /// Divides so many sessions among the loops that have some. Another loop comes first each time: one that has only sessions
    /// of another kind leaves its part to the next round, and must not take it for ever.
    func shares(of count: Int) -> [(LoopHandle, Int)] {
        let busy = loops.filter { $0.counters[.sessions] > 0 }
        guard count > 0, !busy.isEmpty else { return [] }
        firstToShare = (firstToShare + 1) % busy.count
        let share = (count + busy.count - 1) / busy.count
        var rest = count
        var shares: [(LoopHandle, Int)] = []
        for place in busy.indices where rest > 0 {
            shares.append((busy[(place + firstToShare) % busy.count], min(share, rest)))
            rest -= share
        }
        return shares
    }

    /// - Parameter number: of this drain; one that is ordered later takes its place.
    private func drain(by deadline: Instant, _ bucket: TokenBucket?, _ number: Int) {
        guard number == drains else { return }
        let now = Clock.now
        let left = sessions
        guard left > 0, now < deadline else {
            if left > 0 { log.notice("sessions are cut at the deadline", ["sessions": "\(left)"]) }
            for handle in loops { handle.mailbox.post(.cut) }
            control.send(.drained)
            return
        }
        var bucket = bucket
        var count = left
        if bucket != nil {
            count = 0
            while count < left, bucket?.take(at: now) == true { count += 1 }
        }
        for (handle, most) in shares(of: count) { handle.mailbox.post(.drain(most: most)) }
        loop.schedule(at: min(deadline, now + Self.drainPause)) { [unowned self] in
            drain(by: deadline, bucket, number)
        }
    }

    /// Ends every session and the process.
    func stop(by deadline: Instant) {
        survival.end()
        for handle in loops { handle.mailbox.post(.stop) }
        pairLink?.close()
        waitForEnd(by: deadline, isCut: false)
    }

    private func waitForEnd(by deadline: Instant, isCut: Bool) {
        let now = Clock.now
        guard sessions > 0, now < deadline - .milliseconds(50) else {
            loop.stop()
            return
        }
        let isLate = now > deadline - Self.cutReserve
        if isLate, !isCut {
            log.notice("sessions are cut at the deadline", ["sessions": "\(sessions)"])
            for handle in loops { handle.mailbox.post(.cut) }
        }
        loop.schedule(at: now + .milliseconds(5)) { [unowned self] in
            waitForEnd(by: deadline, isCut: isCut || isLate)
        }
    }
}
