// Weights change the priority without a change of role, and a raised interval does not hang on a single advertisement.

import Testing
import VRRP
import Wire

@Suite struct PriorityTests {
    @Test func anActiveRouterAdvertisesItsNewPriorityAtOnce() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(30))
        #expect(dialogue.tell(.weight(-60)) == [.advertise(priority: 40)])
        #expect(dialogue.tell(.weight(-60)) == [])
        #expect(dialogue.run(for: .milliseconds(100)) == [.advertise(priority: 40)])
        #expect(dialogue.router.role == .active)
        #expect(dialogue.router.counters.priorityChanges == 1)
    }

    @Test(arguments: [(-1000, 1), (-100, 1), (-99, 1), (0, 100), (154, 254), (5000, 254), (Int.min, 1), (Int.max, 254)])
    func thePriorityStaysWithinItsRange(weight: Int, priority: Int) {
        var dialogue = Dialogue.active()
        dialogue.tell(.weight(weight))
        #expect(Int(dialogue.router.settings.priority) == priority)
    }

    @Test func aBackupKeepsWhatItHeardAndChangesItsSkew() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150)
        dialogue.pass(.milliseconds(50))
        #expect(dialogue.tell(.weight(100)) == [])
        let skew = Duration.milliseconds(100) * 56 / 256
        #expect(dialogue.router.nextDeadline == Instant.zero + .milliseconds(300) + skew)
    }

    @Test func aHostThatLosesItsBrokersIsDisplacedByOneThatPreempts() {
        var active = Dialogue.active(Example.settings(priority: 200))
        var backup = Dialogue.backup(Example.settings(priority: 100, preempt: .after(.zero)))
        backup.hear(200)
        let lowered = active.tell(.weight(-150))
        #expect(lowered == [.advertise(priority: 50)])
        backup.hear(50)
        #expect(backup.run(for: .milliseconds(400)).first == .claim(1))
        #expect(active.hear(100).contains(.release))
    }

    @Test func aReloadKeepsTheWeight() {
        var dialogue = Dialogue.active()
        dialogue.tell(.weight(-30))
        dialogue.pass(.milliseconds(1))
        #expect(dialogue.tell(.configure(Example.settings(priority: 120))) == [.claim(2), .advertise(priority: 90)])
        // The same file again says nothing new.
        #expect(dialogue.tell(.configure(Example.settings(priority: 120))) == [.claim(3)])
        dialogue.tell(.weight(0))
        #expect(dialogue.router.settings.priority == 120)
    }

    @Test func aRaisedIntervalIsSaidSeveralTimesAtTheOldPace() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(50))
        var settings = Example.settings()
        settings.interval = .seconds(1)
        var adverts: [Duration] = []
        let start = dialogue.now
        var actions = dialogue.tell(.configure(settings))
        dialogue.tell(.addressesClaimed(2))
        while dialogue.now < start + .seconds(3) {
            if actions.contains(.advertise(priority: 100)) { adverts.append(dialogue.now - start) }
            actions = dialogue.runToDeadline()
        }
        #expect(adverts == [.zero] + [100, 200, 300, 1300, 2300].map { .milliseconds($0) })
        #expect(dialogue.router.advertisement(priority: 100).interval == .seconds(1))
    }

    /// Two of the three adverts with the new interval are lost, and the backup still does not take over.
    @Test func losingAdvertsAfterAReloadIsHarmless() {
        var active = Dialogue.active(Example.settings(priority: 200))
        var backup = Dialogue.backup()
        backup.now = active.now
        backup.hear(200)
        active.pass(.milliseconds(50))
        backup.pass(.milliseconds(50))
        var settings = Example.settings(priority: 200)
        settings.interval = .seconds(1)
        var sent = 0
        var actions = active.tell(.configure(settings))
        active.tell(.addressesClaimed(2))
        for _ in 0..<20 {
            if actions.contains(.advertise(priority: 200)) {
                sent += 1
                if sent != 1, sent != 2 { backup.hear(200, interval: .seconds(1)) }
            }
            actions = active.runToDeadline()
            #expect(backup.run(for: active.now - backup.now) == [])
        }
        #expect(backup.router.role == .backup && sent > 5)
    }

    @Test func aLoweredIntervalBeginsAtOnce() {
        var settings = Example.settings()
        settings.interval = .seconds(1)
        var dialogue = Dialogue.active(settings)
        dialogue.pass(.milliseconds(400))
        #expect(dialogue.tell(.configure(Example.settings())).contains(.advertise(priority: 100)))
        #expect(dialogue.router.nextDeadline == dialogue.now + .milliseconds(100))
    }

    /// Any sequence of intervals: the gap is never longer than one and a half of the interval the peers reckon with.
    @Test func reloadsOfTheIntervalLeaveNoGap() {
        for seed in Seeds.upTo(200) {
            var generator = SeededGenerator(seed: seed)
            var dialogue = Dialogue.active()
            var last = dialogue.now
            var told = Duration.milliseconds(100)
            var attempt: VirtualRouter.Attempt = 1
            for _ in 0..<40 {
                var settings = Example.settings(priority: UInt8.random(in: 90...110, using: &generator))
                settings.interval = .milliseconds(10 * Int.random(in: 1...60, using: &generator))
                attempt += 1
                // A reload is answered by the kernel at once here; its slowness is tested elsewhere.
                let reload = dialogue.tell(.configure(settings)) + dialogue.tell(.addressesClaimed(attempt))
                let end = dialogue.now + generator.milliseconds(1...900)
                var actions = reload
                while true {
                    if actions.contains(where: { if case .advertise = $0 { true } else { false } }) {
                        let gap = dialogue.now - last
                        #expect(
                            gap <= told * 3 / 2, "gap \(gap.text) at \(told.text); \(Seeds.replay(seed, "reloadsOf"))")
                        last = dialogue.now
                        told = settings.interval
                    }
                    guard let next = dialogue.router.nextDeadline, next <= end else { break }
                    actions = dialogue.runToDeadline()
                }
                dialogue.now = end
            }
            #expect(dialogue.router.counters.transitions == 3)
        }
    }
}
