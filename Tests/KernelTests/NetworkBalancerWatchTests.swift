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
        let deadline = Instant.zero + BalancerWatch.Bounds.silence
        #expect(watch.nextDeadline == deadline)
        watch.timeout(at: deadline - .milliseconds(1))
        #expect(watch.isReady)
        watch.timeout(at: deadline)
        #expect(!watch.isReady && !watch.isInSync && watch.losses == 1 && watch.nextDeadline == nil)
        // After a loss the servers must be known again.
        watch.handle(Self.beat(settled: false), at: deadline)
        #expect(!watch.isReady)
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
        #expect(watch.nextDeadline == Instant.zero + .milliseconds(60) + BalancerWatch.Bounds.silence)
    }
}
