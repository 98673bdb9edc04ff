// Backup, row by row (RFC 9568, 6.4.1 and 6.4.2), and the claim that follows it.

import Testing
import VRRP
import Wire

@Suite struct BackupTests {
    static let down = Duration.nanoseconds(360_937_500)
    static let skew = Duration.nanoseconds(60_937_500)

    @Test func skewAndDownIntervalFollowTheLearnedInterval() {
        let three = Example.settings()
        #expect(three.skew(interval: .milliseconds(100)) == Self.skew)
        #expect(three.downInterval(interval: .milliseconds(100)) == Self.down)
        #expect(three.downInterval(interval: .seconds(1)) == .microseconds(3_609_375))
        var two = VirtualRouter.Settings(
            version: .two, routerID: 51, priority: 240, interval: .seconds(2), addresses: [Example.virtual])
        // RFC 3768, 6.1: the skew of version 2 does not depend on the interval.
        #expect(two.downInterval(interval: .seconds(2)) == .microseconds(6_062_500))
        two.downTimerAdverts = 2
        #expect(two.downInterval(interval: .seconds(2)) == .microseconds(4_062_500))
    }

    @Test func aStartingRouterListensForADownInterval() {
        var dialogue = Dialogue.backup()
        #expect(dialogue.router.role == .backup)
        #expect(dialogue.router.nextDeadline == Instant.zero + Self.down)
        dialogue.pass(Self.down - .nanoseconds(1))
        #expect(dialogue.timeout() == [])
        dialogue.pass(.nanoseconds(1))
        #expect(dialogue.timeout() == [.claim(1), .transition(from: .backup, to: .claiming, .silence(of: nil))])
    }

    @Test func nothingIsSentBeforeTheKernelShowsTheAddresses() {
        var dialogue = Dialogue.claiming()
        #expect(dialogue.run(for: .milliseconds(900)) == [])
        #expect(
            dialogue.tell(.addressesClaimed(1)) == [
                .advertise(priority: 100), .announce, .transition(from: .claiming, to: .active, .silence(of: nil)),
            ])
        #expect(dialogue.router.holdsAddresses)
    }

    @Test func aReportOnAnotherClaimIsNotABelievedReport() {
        var dialogue = Dialogue.claiming()
        // The first claim gives way to a faster router, which then dies: the second claim is pending.
        dialogue.hear(50)
        dialogue.runToDeadline()
        for stale: VirtualRouter.Attempt in [1, 7] {
            #expect(dialogue.tell(.addressesClaimed(stale)) == [])
            #expect(dialogue.tell(.addressClaimFailed(stale, errno: 1)) == [])
            #expect(dialogue.router.role == .claiming)
        }
        #expect(dialogue.tell(.addressesClaimed(2)).first == .advertise(priority: 100))
    }

    @Test func anEqualOrHigherPriorityRestartsTheTimer() {
        for priority: UInt8 in [100, 101, 254, 255] {
            var dialogue = Dialogue.backup(Example.settings(preempt: .after(.zero)))
            dialogue.pass(.milliseconds(300))
            #expect(dialogue.hear(priority) == [])
            #expect(dialogue.router.nextDeadline == dialogue.now + Self.down)
        }
    }

    @Test func theIntervalIsLearned() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150, interval: .seconds(1))
        #expect(dialogue.router.nextDeadline == dialogue.now + .microseconds(3_609_375))
    }

    @Test func aFarewellShortensTheTimerToTheSkew() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150)
        dialogue.pass(.milliseconds(50))
        #expect(dialogue.hear(0) == [])
        let deadline = dialogue.now + Self.skew
        #expect(dialogue.router.nextDeadline == deadline)
        // A repeated farewell does not put it off.
        dialogue.pass(.milliseconds(20))
        dialogue.hear(0)
        #expect(dialogue.router.nextDeadline == deadline)
        #expect(
            dialogue.runToDeadline() == [
                .claim(1), .transition(from: .backup, to: .claiming, .handedOver(by: Example.lower)),
            ])
    }

    @Test func theFarewellOfTheOnlyOtherRouterIsAnsweredAtOnce() {
        var settings = Example.settings()
        settings.peers = [Example.lower]
        var dialogue = Dialogue.backup(settings)
        dialogue.hear(150)
        dialogue.pass(.milliseconds(50))
        dialogue.hear(0)
        #expect(dialogue.router.nextDeadline == dialogue.now)
        #expect(
            dialogue.runToDeadline() == [
                .claim(1), .transition(from: .backup, to: .claiming, .handedOver(by: Example.lower)),
            ])
    }

    /// Somebody who was never heard active says farewell: that may be an old advert that is sent once more.
    @Test func aFarewellOfAnUnheardRouterIsWaitedOut() {
        var settings = Example.settings()
        settings.peers = [Example.lower]
        var fresh = Dialogue.backup(settings)
        fresh.pass(.milliseconds(50))
        fresh.hear(0)
        let deadline = fresh.now + settings.interval + Self.skew
        #expect(fresh.router.nextDeadline == deadline)
        fresh.pass(.milliseconds(20))
        fresh.hear(0)
        #expect(fresh.router.nextDeadline == deadline, "repeated, it puts nothing off")
        // The active router speaks within an interval, and nothing has happened.
        fresh.pass(.milliseconds(60))
        fresh.hear(150)
        #expect(fresh.router.nextDeadline == fresh.now + Self.down)
        var alone = Dialogue.backup(settings)
        alone.hear(0)
        #expect(
            alone.runToDeadline() == [.claim(1), .transition(from: .backup, to: .claiming, .silence(of: nil))])
        #expect(alone.now == Instant.zero + settings.interval + Self.skew)
    }

    @Test func aFarewellOfAnotherThanTheActiveRouterMeansNothing() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150, from: Example.lower)
        let deadline = dialogue.router.nextDeadline
        dialogue.hear(0, from: Example.higher)
        #expect(dialogue.router.nextDeadline == deadline)
    }

    @Test func preemptNeverLeavesALowerPriorityActive() {
        var dialogue = Dialogue.backup(Example.settings(priority: 200))
        for _ in 0..<50 {
            dialogue.pass(.milliseconds(100))
            #expect(dialogue.hear(10) == [])
            #expect(dialogue.timeout() == [])
        }
        #expect(dialogue.router.role == .backup)
    }

    @Test func preemptAtOnceLetsTheTimerRunOn() {
        var dialogue = Dialogue.backup(Example.settings(priority: 200, preempt: .after(.zero)))
        let deadline = dialogue.router.nextDeadline
        dialogue.pass(.milliseconds(100))
        dialogue.hear(100)
        #expect(dialogue.router.nextDeadline == deadline)
        #expect(
            dialogue.runToDeadline() == [
                .claim(1), .transition(from: .backup, to: .claiming, .preempting(Example.lower, priority: 100)),
            ])
        // The displaced router speaks until it hears us.
        #expect(dialogue.hear(100) == [])
        #expect(dialogue.router.role == .claiming)
    }

    @Test func preemptAfterADelayCountsFromTheFirstLowerAdvertisement() {
        var dialogue = Dialogue.backup(Example.settings(priority: 200, preempt: .after(.seconds(30))))
        var claimedAt: Instant?
        while claimedAt == nil, dialogue.now < Instant.zero + .seconds(60) {
            dialogue.pass(.milliseconds(100))
            dialogue.hear(100)
            if dialogue.timeout().contains(.claim(1)) { claimedAt = dialogue.now }
        }
        // Heard first at 100 ms; the down interval passes after the delay.
        #expect(claimedAt == Instant.zero + .milliseconds(30_400))
    }

    @Test func aHigherPriorityEndsTheDelay() {
        var dialogue = Dialogue.backup(Example.settings(priority: 100, preempt: .after(.seconds(1))))
        for step in 0..<30 {
            dialogue.pass(.milliseconds(100))
            dialogue.hear(step % 5 == 4 ? 200 : 50)
            #expect(dialogue.timeout() == [])
        }
    }

    @Test func aNodeThatIsNotInSyncDoesNotPreempt() {
        var dialogue = Dialogue.backup(Example.settings(priority: 200, preempt: .after(.zero)), inSync: false)
        for _ in 0..<20 {
            dialogue.pass(.milliseconds(100))
            dialogue.hear(100)
            #expect(dialogue.timeout() == [])
        }
        dialogue.tell(.inSync(true))
        dialogue.pass(.milliseconds(100))
        dialogue.hear(100)
        #expect(dialogue.runToDeadline().contains(.claim(1)))
    }

    @Test func aNodeThatIsNotInSyncServesWhenNobodyElseDoes() {
        var dialogue = Dialogue.backup(inSync: false)
        #expect(dialogue.runToDeadline().first == .claim(1))
    }

    @Test func stopAndReadinessLeadToInitialize() {
        var stopped = Dialogue.backup()
        #expect(stopped.tell(.stop) == [.transition(from: .backup, to: .initialize, .idle(.stopped))])
        #expect(stopped.router.nextDeadline == nil)
        var failed = Dialogue.backup()
        let why = VirtualRouter.Cause.idle(.notReady("balancer silent"))
        #expect(
            failed.tell(.ready(false, reason: "balancer silent")) == [
                .transition(from: .backup, to: .initialize, why)
            ])
    }

    @Test func aFasterRouterEndsAClaim() {
        var dialogue = Dialogue.claiming()
        #expect(
            dialogue.hear(50) == [
                .release, .transition(from: .claiming, to: .backup, .yielded(to: Example.lower, priority: 50)),
            ])
        // The kernel's answer comes too late to matter.
        #expect(dialogue.tell(.addressesClaimed(1)) == [])
        #expect(dialogue.router.role == .backup)
    }

    @Test func aFailedClaimIsTriedAgainAfterAPauseThatDoubles() {
        var dialogue = Dialogue.claiming()
        for (attempt, pause) in zip(1..., [1, 2, 4, 8, 10, 10]) {
            let failedAt = dialogue.now
            let reason = VirtualRouter.IdleReason.claimFailed(errno: 1)
            #expect(
                dialogue.tell(.addressClaimFailed(UInt64(attempt), errno: 1)) == [
                    .release, .transition(from: .claiming, to: .initialize, .idle(reason)),
                ])
            #expect(dialogue.router.nextDeadline == failedAt + .seconds(pause))
            #expect(dialogue.runToDeadline() == [.transition(from: .initialize, to: .backup, .prepared)])
            #expect(dialogue.runToDeadline().first == .claim(UInt64(attempt) + 1))
        }
        #expect(dialogue.router.counters.claimFailures == 6)
        #expect(dialogue.router.counters.advertisementsSent == 0)
    }

    @Test func aSilentKernelIsAFailedClaim() {
        var dialogue = Dialogue.claiming()
        #expect(
            dialogue.runToDeadline() == [
                .release, .transition(from: .claiming, to: .initialize, .idle(.claimTimedOut)),
            ])
        #expect(dialogue.now == Instant.zero + Self.down + .seconds(1))
    }

    @Test func aReportAfterTheDeadlineIsTooLate() {
        var dialogue = Dialogue.claiming()
        dialogue.pass(.seconds(5))
        #expect(dialogue.tell(.addressesClaimed(1)).first == .release)
        #expect(dialogue.router.role == .initialize)
    }
}
