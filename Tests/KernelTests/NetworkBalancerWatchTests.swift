// The judgement about the balancer, as values on virtual time.

import Failover
import Testing
import Wire

struct NetworkBalancerWatchTests {
    private static func beat(serving: Bool = true, settled: Bool = true) -> BalancerWatch.Event {
        .beat(serving: serving, settled: settled, inSync: true)
    }

    @Test func unknownCountsAsNo() {
        var watch = BalancerWatch()
        #expect(!watch.isReady && watch.nextDeadline == nil)
        watch.handle(.linkOpened, at: .zero)
        #expect(!watch.isReady)
        watch.handle(Self.beat(settled: false), at: .zero)
        #expect(!watch.isReady && watch.reason == "the balancer does not know its servers yet")
        watch.handle(Self.beat(serving: false), at: .zero)
        #expect(!watch.isReady && watch.reason == "the balancer does not serve")
        watch.handle(Self.beat(), at: .zero)
        #expect(watch.isReady && watch.isInSync)
    }

    @Test func silenceIsLoss() {
        var watch = BalancerWatch()
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        let deadline = Instant.zero + BalancerWatch.Bounds.ordinarySilence
        #expect(watch.nextDeadline == deadline)
        watch.timeout(at: deadline - .milliseconds(1))
        #expect(watch.isReady)
        watch.timeout(at: deadline)
        #expect(!watch.isReady && !watch.isInSync && watch.losses == 1 && watch.nextDeadline == nil)
        // After a loss the servers must be known again.
        watch.handle(Self.beat(settled: false), at: deadline)
        #expect(!watch.isReady)
    }

    @Test func whoBeatsInRealTimeIsMissedSooner() {
        var watch = BalancerWatch()
        watch.silence = BalancerWatch.Bounds.silence
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        watch.timeout(at: .zero + .milliseconds(74))
        #expect(watch.isReady)
        watch.timeout(at: .zero + .milliseconds(75))
        #expect(!watch.isReady && watch.reason == "the balancer is silent")
    }

    /// The link of a balancer that has died stays open in its holder's hands.
    @Test func aDeathGivesItsSuccessorTimeThatSilenceDoesNot() {
        var watch = BalancerWatch()
        watch.silence = BalancerWatch.Bounds.silence
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        watch.handle(.died, at: .zero + .milliseconds(10))
        watch.timeout(at: .zero + .milliseconds(100))
        #expect(watch.isReady)
        watch.handle(.linkOpened, at: .zero + .milliseconds(200))
        watch.handle(Self.beat(settled: false), at: .zero + .milliseconds(210))
        #expect(watch.isReady && watch.losses == 0)
        watch.handle(.died, at: .zero + .milliseconds(220))
        watch.timeout(at: .zero + .milliseconds(220) + BalancerWatch.Bounds.reconnection)
        #expect(!watch.isReady && watch.losses == 1 && watch.reason == "the balancer is gone")
    }

    @Test func successorsThatComeAndGoWithoutABeatDoNotProlongTheWait() {
        var watch = BalancerWatch()
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        let deadline = Instant.zero + BalancerWatch.Bounds.reconnection
        for step in 0..<10 {
            watch.handle(.linkClosed, at: .zero + .milliseconds(20 * step))
            watch.handle(.linkOpened, at: .zero + .milliseconds(20 * step + 10))
            #expect(watch.nextDeadline == deadline)
        }
        watch.timeout(at: deadline)
        #expect(!watch.isReady && watch.losses == 1)
    }

    @Test func aLinkReplacedBeforeItsEndWasSeenGetsTheSameTime() {
        var watch = BalancerWatch()
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        watch.handle(.linkOpened, at: .zero + .milliseconds(40))
        #expect(watch.nextDeadline == Instant.zero + .milliseconds(40) + BalancerWatch.Bounds.reconnection)
    }

    @Test func aSuccessorInTimeIsNoLoss() {
        var watch = BalancerWatch()
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        watch.handle(.linkClosed, at: .zero + .milliseconds(10))
        let deadline = Instant.zero + .milliseconds(10) + BalancerWatch.Bounds.reconnection
        #expect(watch.isReady && watch.nextDeadline == deadline)
        // A link alone is no sign of life.
        watch.handle(.linkOpened, at: .zero + .milliseconds(20))
        #expect(watch.nextDeadline == deadline)
        var other = watch
        other.timeout(at: deadline)
        #expect(!other.isReady)
        watch.handle(Self.beat(settled: false), at: .zero + .milliseconds(60))
        #expect(watch.isReady && watch.losses == 0)
        #expect(watch.nextDeadline == Instant.zero + .milliseconds(60) + BalancerWatch.Bounds.ordinarySilence)
    }

    @Test func timeInWhichWeStoodStillIsNoSilence() {
        var watch = BalancerWatch()
        watch.handle(.linkOpened, at: .zero)
        watch.handle(Self.beat(), at: .zero)
        let deadline = Instant.zero + BalancerWatch.Bounds.ordinarySilence
        watch.handle(.ownPause(.milliseconds(200)), at: .zero + .milliseconds(250))
        watch.timeout(at: .zero + .milliseconds(250))
        #expect(watch.isReady && watch.nextDeadline == deadline + .milliseconds(200))
        // Not without end, as long as no beat comes in between.
        watch.handle(.ownPause(.seconds(5)), at: .zero + .milliseconds(300))
        #expect(watch.nextDeadline == deadline + BalancerWatch.Bounds.ownPause)
        watch.timeout(at: deadline + BalancerWatch.Bounds.ownPause)
        #expect(!watch.isReady && watch.losses == 1)
        watch.handle(Self.beat(), at: .zero + .seconds(2))
        watch.handle(.ownPause(.milliseconds(50)), at: .zero + .seconds(2))
        #expect(watch.nextDeadline == Instant.zero + .seconds(2) + .milliseconds(50) + BalancerWatch.Bounds.ordinarySilence)
        // Nothing is pending: nothing is prolonged.
        var fresh = BalancerWatch()
        fresh.handle(.ownPause(.seconds(1)), at: .zero)
        #expect(fresh.nextDeadline == nil)
    }
}
