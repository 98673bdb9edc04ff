// What keeps a backup from claiming although nobody is heard: a young link, the other path, a witness.

import Testing
import VRRP
import Wire

@Suite struct WaitingTests {
    static func report(
        _ role: VirtualRouter.Role, _ priority: UInt8 = 150, from: IPAddress = Example.lower
    ) -> VirtualRouter.PeerReport {
        .init(role: role, priority: priority, address: from)
    }

    /// The peer says so at the pace of its advertisements, for a while. What the router did.
    static func say(
        _ report: VirtualRouter.PeerReport, to dialogue: inout Dialogue, for duration: Duration
    ) -> [Action] {
        var actions: [Action] = []
        let end = dialogue.now + duration
        while dialogue.now < end {
            actions += dialogue.tell(.peerAlive(report, at: dialogue.now))
            actions += dialogue.run(for: .milliseconds(100))
        }
        return actions
    }

    // MARK: The second path

    @Test func aPeerThatIsActiveOverThePairLinkIsNotReplaced() {
        var dialogue = Dialogue.backup()
        #expect(Self.say(Self.report(.active), to: &dialogue, for: .seconds(10)) == [])
        #expect(dialogue.router.role == .backup)
        #expect(dialogue.router.counters.secondPathWaits == 1)
        #expect(
            dialogue.router.why(at: dialogue.now)
                == "not active: no advertisement arrives, but the peer says over the pair link that it is active")
        // It falls silent there too. By now it is known that only advertisements are lost, so a late report is waited for.
        #expect(dialogue.run(for: .milliseconds(899)) == [])
        #expect(dialogue.run(for: .milliseconds(1)).first == .claim(1))
    }

    @Test(arguments: [VirtualRouter.Role.initialize, .backup, .claiming])
    func aPeerThatSaysItIsNotActiveIsReplacedAtOnce(role: VirtualRouter.Role) {
        var dialogue = Dialogue.backup()
        _ = Self.say(Self.report(.active), to: &dialogue, for: .seconds(2))
        #expect(dialogue.tell(.peerAlive(Self.report(role), at: dialogue.now)).first == .claim(1))
    }

    @Test func aLostPairLinkCountsAsNothing() {
        var dialogue = Dialogue.backup()
        _ = Self.say(Self.report(.active), to: &dialogue, for: .seconds(2))
        #expect(dialogue.tell(.peerPathLost).first == .claim(1))
        var early = Dialogue.backup()
        early.hear(150)
        #expect(early.tell(.peerPathLost) == [])
    }

    /// Advertisement and report leave together, and the host dies: the takeover comes as if there were no pair link.
    @Test func theSecondPathNeverDelaysATakeover() {
        for offset in [0, 50, 99] {
            var dialogue = Dialogue.backup()
            dialogue.hear(150)
            let lastAdvertisement = dialogue.now
            dialogue.pass(.milliseconds(offset))
            dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now))
            while dialogue.router.role == .backup { dialogue.runToDeadline() }
            #expect(dialogue.now == lastAdvertisement + BackupTests.down)
        }
    }

    @Test func afarewellNeedsNoSecondOpinion() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150)
        dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now))
        dialogue.hear(0)
        #expect(dialogue.runToDeadline().first == .claim(1))
        #expect(dialogue.now == Instant.zero + BackupTests.skew)
    }

    @Test func twoActiveThatHearEachOtherOnlyOverThePairLinkBecomeOne() {
        var loser = Dialogue.active()
        let start = loser.now
        let actions = Self.say(Self.report(.active), to: &loser, for: .seconds(1))
        #expect(loser.router.role == .backup)
        #expect(actions.contains(.advertise(priority: 0)) && actions.contains(.release))
        #expect(loser.router.counters.secondPathYields == 1)
        #expect(!actions.contains(.claim(2)), "it holds while the winner says that it is active")
        #expect(start < loser.now)

        var winner = Dialogue.active(Example.settings(priority: 200))
        let transitions = winner.router.counters.transitions
        _ = Self.say(Self.report(.active), to: &winner, for: .seconds(10))
        #expect(winner.router.counters.transitions == transitions)
    }

    /// Two busy hosts pass reports on late: no reason for a second active router, once only advertisements are lost.
    @Test func aLateReportIsWaitedForWhenOnlyAdvertisementsAreLost() {
        var dialogue = Dialogue.backup()
        _ = Self.say(Self.report(.active), to: &dialogue, for: .seconds(1))
        for _ in 0..<20 {
            #expect(dialogue.run(for: .milliseconds(700)) == [])
            dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now))
        }
        // An advertisement is heard again: then the two paths say the same, and patience is as short as ever.
        dialogue.hear(150)
        let last = dialogue.now
        while dialogue.router.role == .backup { dialogue.runToDeadline() }
        #expect(dialogue.now == last + BackupTests.down)
    }

    /// The peer was active until it handed over; what it said last over the pair link comes later than its farewell.
    @Test func theLastReportOfWhoHasHandedOverIsNoReasonToGiveBack() {
        var dialogue = Dialogue.backup()
        _ = Self.say(Self.report(.active), to: &dialogue, for: .seconds(1))
        dialogue.hear(0)
        while dialogue.router.role == .backup { dialogue.runToDeadline() }
        dialogue.tell(.addressesClaimed(1))
        dialogue.pass(.milliseconds(2))
        #expect(dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now)) == [])
        #expect(dialogue.router.role == .active)
    }

    @Test func anOldReportIsNoReasonToGiveWay() {
        var dialogue = Dialogue.active()
        for _ in 0..<20 {
            // Each gap is longer than a report stays good.
            #expect(!dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now)).contains(.release))
            _ = dialogue.run(for: .milliseconds(400))
        }
        #expect(dialogue.router.role == .active)
    }

    // MARK: Somebody else answers

    @Test func anUnknownHolderIsOutAnnounced() {
        var dialogue = Dialogue.active()
        _ = dialogue.run(for: .milliseconds(8_050))
        #expect(dialogue.tell(.addressAnswered(by: nil)) == [.advertise(priority: 100), .announce])
        dialogue.pass(.milliseconds(50))
        #expect(dialogue.tell(.addressAnswered(by: Example.higher)) == [.advertise(priority: 100)])
        #expect(dialogue.router.counters.duplicateHolders == 2)
        #expect(dialogue.router.counters.announcementsSpared == 1)
    }

    @Test func aHolderWithTheBetterClaimIsGivenWayAtOnce() {
        var dialogue = Dialogue.active()
        // What it said before we were active is no reason.
        dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now))
        #expect(dialogue.tell(.addressAnswered(by: Example.lower)) == [.advertise(priority: 100)])
        dialogue.pass(.milliseconds(1))
        dialogue.tell(.peerAlive(Self.report(.active), at: dialogue.now))
        #expect(
            dialogue.tell(.addressAnswered(by: Example.lower)) == [
                .advertise(priority: 0), .release,
                .transition(from: .active, to: .backup, .yielded(to: Example.lower, priority: 150)),
            ])
        var stronger = Dialogue.active(Example.settings(priority: 200))
        stronger.tell(.peerAlive(Self.report(.active), at: stronger.now))
        #expect(stronger.tell(.addressAnswered(by: Example.lower)).contains(.advertise(priority: 200)))
        #expect(stronger.router.role == .active)
        var backup = Dialogue.backup()
        #expect(backup.tell(.addressAnswered(by: Example.lower)) == [])
    }

    // MARK: The witness

    static var witnessed: VirtualRouter.Settings {
        var settings = Example.settings()
        settings.requiresWitness = true
        return settings
    }

    @Test func aBackupThatLostItsPeerAsksTheWitness() {
        var dialogue = Dialogue.backup(Self.witnessed)
        dialogue.hear(150)
        #expect(dialogue.run(for: .seconds(30)) == [])
        #expect(dialogue.router.counters.witnessWaits == 1)
        #expect(dialogue.router.nextDeadline == nil)
        #expect(dialogue.tell(.witnessAnswered).first == .claim(1))
    }

    @Test func anAnswerFromBeforeTheSilenceProvesNothing() {
        var dialogue = Dialogue.backup(Self.witnessed)
        dialogue.pass(.milliseconds(50))
        dialogue.tell(.witnessAnswered)
        dialogue.pass(.milliseconds(50))
        dialogue.hear(150)
        #expect(dialogue.run(for: .seconds(2)) == [])
    }

    @Test func anAnswerDuringTheSilenceCostsNoTime() {
        var dialogue = Dialogue.backup(Self.witnessed)
        dialogue.hear(150)
        dialogue.pass(.milliseconds(200))
        dialogue.tell(.witnessAnswered)
        #expect(dialogue.runToDeadline().first == .claim(1))
        #expect(dialogue.now == Instant.zero + BackupTests.down)
    }

    @Test func anAnswerGrowsOld() {
        var slow = Self.witnessed
        slow.interval = .seconds(1)
        var dialogue = Dialogue.backup(slow)
        dialogue.hear(150, interval: .seconds(1))
        dialogue.tell(.witnessAnswered)
        #expect(dialogue.run(for: .seconds(5)) == [])
    }

    @Test func aFarewellNeedsNoWitness() {
        var dialogue = Dialogue.backup(Self.witnessed)
        dialogue.hear(150)
        dialogue.hear(0)
        #expect(dialogue.runToDeadline().first == .claim(1))
    }

    // MARK: A young link

    static var settling: VirtualRouter.Settings {
        var settings = Example.settings()
        settings.settle = .seconds(20)
        return settings
    }

    @Test func aYoungLinkIsNotBelieved() {
        var dialogue = Dialogue.backup(Self.settling)
        #expect(dialogue.run(for: .milliseconds(19_999)) == [])
        #expect(dialogue.router.counters.linkWaits == 1)
        #expect(dialogue.runToDeadline().first == .claim(1))
        #expect(dialogue.now == Instant.zero + .seconds(20))
    }

    @Test func aPeerOrAProofOpensTheGate() {
        var heard = Dialogue.backup(Self.settling)
        heard.hear(150)
        #expect(heard.run(for: .milliseconds(400)).first == .claim(1))
        var proven = Dialogue.backup(Self.settling)
        _ = proven.run(for: .seconds(5))
        #expect(proven.tell(.linkProven).first == .claim(1))
        var reported = Dialogue.backup(Self.settling)
        _ = reported.run(for: .seconds(5))
        #expect(reported.tell(.peerAlive(Self.report(.backup), at: reported.now)).isEmpty)
        #expect(reported.router.role == .backup, "the pair link may be another link")
    }

    @Test func aLinkThatComesBackIsYoungAgain() {
        var dialogue = Dialogue.backup(Self.settling)
        dialogue.hear(150)
        dialogue.tell(.interface(up: false))
        _ = dialogue.run(for: .seconds(100))
        dialogue.tell(.interface(up: true))
        #expect(dialogue.run(for: .milliseconds(19_999)) == [])
        #expect(dialogue.runToDeadline().first == .claim(1))
    }

    // MARK: Doubt

    @Test func whoHearsAdvertsThatNoKeyHasEverFittedDoesNotClaim() {
        var dialogue = Dialogue.backup()
        var actions: [Action] = []
        for _ in 0..<50 {
            actions += dialogue.tell(.unverified(from: Example.lower))
            actions += dialogue.run(for: .milliseconds(100))
        }
        #expect(actions == [] && dialogue.router.role == .backup)
        #expect(dialogue.router.counters.doubtWaits == 1)
        #expect(dialogue.router.why(at: dialogue.now).contains("are the secrets the same?"))
        // They end: nobody is there any more.
        #expect(dialogue.run(for: .milliseconds(500)).first == .claim(1))
    }

    @Test func doubtMovesNobodyWhoIsActive() {
        var dialogue = Dialogue.active()
        #expect(dialogue.tell(.unverified(from: Example.lower)) == [])
        #expect(dialogue.router.role == .active)
    }

    /// Two nodes with different secrets whose timers fire at the same instant both stay active: giving way to what nobody can
    /// verify would hand the address to whoever forges an advertisement.
    @Test func ofTwoThatClaimAtOnceWithDifferentKeysNeitherGivesWay() {
        for other in [Example.lower, Example.higher] {
            var dialogue = Dialogue.active()
            dialogue.pass(.milliseconds(1))
            #expect(dialogue.tell(.unverified(from: other)) == [])
            #expect(dialogue.router.role == .active)
        }
    }
}
