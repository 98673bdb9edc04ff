// Who wakes late listens before it claims, and one stall causes at most one switch.

import Testing
import VRRP
import Wire

@Suite struct StallTests {
    @Test func aBackupThatWakesLateListensExactlyOnceMore() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150)
        dialogue.pass(.seconds(5))
        #expect(dialogue.timeout() == [])
        #expect(dialogue.router.nextDeadline == dialogue.now + .milliseconds(100) + BackupTests.skew)
        #expect(dialogue.router.counters.lateWakes == 1)
        dialogue.pass(.seconds(5))
        #expect(dialogue.timeout().first == .claim(1))
    }

    @Test func hearingTheActiveRouterEndsTheSuspicion() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150)
        dialogue.pass(.seconds(5))
        dialogue.timeout()
        dialogue.hear(150)
        #expect(dialogue.router.nextDeadline == dialogue.now + BackupTests.down)
        dialogue.pass(.seconds(5))
        #expect(dialogue.timeout() == [])
        #expect(dialogue.router.counters.lateWakes == 2)
    }

    @Test func aLittleLateIsNotLate() {
        var dialogue = Dialogue.backup()
        dialogue.pass(BackupTests.down + .milliseconds(99))
        #expect(dialogue.timeout().first == .claim(1))
    }

    @Test func anActiveRouterThatSleptAndFindsAnotherYieldsEvenToALowerPriority() {
        var dialogue = Dialogue.active(Example.settings(priority: 200))
        dialogue.pass(.seconds(2))
        // The shell reads its sockets before it looks at the timer. Our own priority would make the other one yield.
        #expect(
            dialogue.hear(100) == [
                .advertise(priority: 0), .release,
                .transition(from: .active, to: .backup, .yieldedAfterStall(to: Example.lower, priority: 100)),
            ])
        #expect(dialogue.router.counters.stallYields == 1)
    }

    @Test func anActiveRouterThatSleptListensBeforeItSpeaks() {
        var dialogue = Dialogue.active(Example.settings(priority: 200))
        dialogue.pass(.seconds(2))
        #expect(dialogue.timeout() == [])
        #expect(dialogue.router.counters.stalls == 1)
        dialogue.pass(.milliseconds(50))
        #expect(dialogue.hear(100).contains(.release))
        #expect(dialogue.router.role == .backup)
    }

    @Test func anActiveRouterThatSleptAloneGoesOn() {
        var dialogue = Dialogue.active()
        dialogue.pass(.seconds(2))
        dialogue.timeout()
        #expect(dialogue.runToDeadline() == [.claim(2)])
        #expect(dialogue.tell(.addressesClaimed(2)) == [.advertise(priority: 100), .announce])
        #expect(dialogue.router.counters.transitions == 3)
    }

    @Test func aPauseShorterThanThePeersPatienceChangesNothing() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(350))
        // Every moment counts: the peer's timer may be about to fire.
        #expect(dialogue.timeout() == [.advertise(priority: 100)])
    }

    @Test func sleepingWhileListeningMeansListeningAgain() {
        var dialogue = Dialogue.active()
        dialogue.pass(.seconds(2))
        dialogue.timeout()
        dialogue.pass(.seconds(2))
        #expect(dialogue.timeout() == [])
        #expect(dialogue.runToDeadline() == [.claim(2)])
    }

    @Test func anAddressLostWhileListeningIsClaimedAfterwards() {
        var dialogue = Dialogue.active()
        dialogue.pass(.seconds(2))
        dialogue.timeout()
        #expect(dialogue.tell(.addressLost(Example.virtual)) == [])
        #expect(dialogue.runToDeadline() == [.claim(2)])
    }
}
