// Active, row by row (RFC 9568, 6.4.3), and the addresses it answers for.

import Testing
import VRRP
import Wire

@Suite struct ActiveTests {
    @Test func advertisesEveryIntervalAndAnnouncesAgain() {
        var dialogue = Dialogue.active()
        let start = dialogue.now
        var adverts = 0
        var announcements: [Duration] = []
        while let deadline = dialogue.router.nextDeadline, deadline <= start + .seconds(10) {
            for action in dialogue.runToDeadline() {
                switch action {
                case .advertise(let priority):
                    #expect(priority == 100)
                    adverts += 1
                case .announce: announcements.append(dialogue.now - start)
                default: Issue.record("unexpected \(action)")
                }
            }
        }
        #expect(adverts == 100)
        #expect(announcements == [.seconds(1), .seconds(5)])
    }

    @Test func aHigherPriorityWinsAndHearsALastWord() {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.hear(150) == [
                .advertise(priority: 100), .release,
                .transition(from: .active, to: .backup, .yielded(to: Example.lower, priority: 150)),
            ])
        #expect(dialogue.router.nextDeadline == dialogue.now + BackupTests.down)
    }

    @Test func tiesGoToTheHigherAddress() {
        var loser = Dialogue.active()
        #expect(loser.hear(100, from: Example.higher).contains(.release))
        var winner = Dialogue.active()
        winner.pass(.milliseconds(50))
        #expect(winner.hear(100, from: Example.lower) == [.advertise(priority: 100)])
        #expect(winner.router.role == .active)
    }

    @Test func aLoserIsAnsweredAtOnceAndTheAddressesAnnouncedAgain() {
        var dialogue = Dialogue.active()
        _ = dialogue.run(for: .milliseconds(8_050))
        let heard = dialogue.now
        #expect(dialogue.hear(50) == [.advertise(priority: 100), .announce])
        #expect(dialogue.router.nextDeadline == heard + .milliseconds(100))
        let announcements = dialogue.run(for: .seconds(10)).count { $0 == .announce }
        #expect(announcements == 2)
    }

    @Test func answersToLosersAreBounded() {
        var dialogue = Dialogue.active()
        _ = dialogue.run(for: .seconds(8))
        var answers = 0
        for _ in 0..<1000 {
            dialogue.pass(.microseconds(100))
            answers += dialogue.hear(50).count { $0 == .advertise(priority: 100) }
        }
        #expect((1...4).contains(answers))
        #expect(dialogue.router.counters.answersSpared == UInt64(1000 - answers))
    }

    @Test func manyLosersDoNotMakeAStormOfAnnouncements() {
        var dialogue = Dialogue.active()
        _ = dialogue.run(for: .seconds(8))
        var announcements = 0
        for _ in 0..<100 {
            dialogue.pass(.milliseconds(1))
            announcements += dialogue.hear(50).count { $0 == .announce }
        }
        #expect(announcements == 1)
        #expect(dialogue.router.counters.announcementsSpared == 99)
    }

    @Test func aFarewellIsAnswered() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(50))
        #expect(dialogue.hear(0).first == .advertise(priority: 100))
        #expect(dialogue.router.role == .active)
    }

    @Test func stoppingSaysFarewellAndReleases() {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.tell(.stop) == [
                .advertise(priority: 0), .release, .transition(from: .active, to: .initialize, .idle(.stopped)),
            ])
        #expect(dialogue.router.holdsAddresses)
        dialogue.tell(.addressesReleased)
        #expect(!dialogue.router.holdsAddresses)
    }

    @Test func aFailedReleaseIsTriedAgain() {
        var dialogue = Dialogue.active()
        dialogue.tell(.stop)
        dialogue.tell(.addressReleaseFailed(errno: 16))
        #expect(dialogue.router.nextDeadline == dialogue.now + .seconds(1))
        #expect(dialogue.runToDeadline() == [.release])
        dialogue.tell(.addressesReleased)
        #expect(dialogue.router.nextDeadline == nil)
    }

    @Test func aNodeThatCannotServeYieldsAtOnce() {
        var dialogue = Dialogue.active()
        let why = VirtualRouter.IdleReason.notReady("balancer silent for 80ms")
        #expect(
            dialogue.tell(.ready(false, reason: "balancer silent for 80ms")) == [
                .advertise(priority: 0), .release, .transition(from: .active, to: .initialize, .idle(why)),
            ])
        #expect(
            dialogue.tell(.ready(true, reason: "serving")) == [
                .transition(from: .initialize, to: .backup, .prepared)
            ])
    }

    @Test func aRemovedAddressIsPutBackAndAnnounced() {
        var dialogue = Dialogue.active()
        _ = dialogue.run(for: .milliseconds(8_050))
        #expect(dialogue.tell(.addressLost(Example.virtual)) == [.claim(2)])
        // Until the kernel shows it again, an advertisement would be a lie.
        #expect(dialogue.run(for: .milliseconds(200)) == [])
        #expect(dialogue.tell(.addressesClaimed(2)) == [.advertise(priority: 100), .announce])
        #expect(dialogue.router.role == .active)
    }

    @Test func aRepairThatFailsIsAYield() {
        var dialogue = Dialogue.active()
        dialogue.tell(.addressLost(Example.virtual))
        let why = VirtualRouter.IdleReason.claimFailed(errno: 99)
        #expect(
            dialogue.tell(.addressClaimFailed(2, errno: 99)) == [
                .advertise(priority: 0), .release, .transition(from: .active, to: .initialize, .idle(why)),
            ])
    }

    @Test func contestedAddressesAreGivenUp() {
        var dialogue = Dialogue.active()
        for attempt in 2..<(2 + UInt64(VirtualRouter.Bounds.maximumRepairs)) {
            dialogue.pass(.milliseconds(10))
            #expect(dialogue.tell(.addressLost(Example.virtual)) == [.claim(attempt)])
            dialogue.tell(.addressesClaimed(attempt))
        }
        #expect(dialogue.tell(.addressLost(Example.virtual)).first == .advertise(priority: 0))
        #expect(dialogue.router.role == .initialize)
        #expect(dialogue.router.counters.contests == 1)
        #expect(dialogue.router.nextDeadline == dialogue.now + VirtualRouter.Bounds.contestedPause)
    }

    @Test func repairsAreForgottenAfterAWhile() {
        var dialogue = Dialogue.active()
        for attempt in 2..<UInt64(40) {
            _ = dialogue.run(for: .seconds(7))
            #expect(dialogue.tell(.addressLost(Example.virtual)) == [.claim(attempt)])
            dialogue.tell(.addressesClaimed(attempt))
        }
        #expect(dialogue.router.role == .active)
    }

    @Test func oneFlushOfManyAddressesIsOneRepair() {
        var dialogue = Dialogue.active()
        for _ in 0..<30 { dialogue.tell(.addressLost(Example.virtual)) }
        #expect(dialogue.router.role == .active)
        #expect(dialogue.tell(.addressesClaimed(31)).contains(.announce))
    }
}
