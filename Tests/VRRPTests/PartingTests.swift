// A planned hand-over: the addresses stay until the other router has them, and not for ever.

import Testing
import VRRP
import Wire

@Suite struct PartingTests {
    /// An active router that has just been told to step down.
    private static func stepped(
        _ settings: VirtualRouter.Settings = Example.settings(), isForced: Bool = false
    ) -> Dialogue {
        var dialogue = Dialogue.active(settings)
        dialogue.tell(.stepDown(for: .seconds(60), isForced: isForced))
        return dialogue
    }

    @Test func theAddressesStayUntilTheOtherRouterIsHeard() {
        var dialogue = Self.stepped()
        #expect(dialogue.router.role == .backup && !dialogue.router.isAdvertising)
        #expect(dialogue.run(for: .milliseconds(5)) == [])
        guard case .awaitingSuccessor = dialogue.router.parting else {
            Issue.record("it does not wait")
            return
        }
        #expect(dialogue.hear(100) == [.drain])
        #expect(dialogue.hear(100) == [], "said once")
        #expect(dialogue.run(for: VirtualRouter.Bounds.drainTime - .milliseconds(1), hearing: 100) == [])
        #expect(dialogue.run(for: .milliseconds(1)) == [.release])
        #expect(dialogue.router.parting == nil)
        #expect(dialogue.router.counters.partings == 1 && dialogue.router.counters.partingsUnseen == 0)
        // Nothing is left to be done.
        dialogue.tell(.addressesReleased)
        dialogue.hear(100)
        #expect(dialogue.run(for: .milliseconds(300)) == [])
    }

    @Test func theyGoAsSoonAsTheirSessionsAreClosed() {
        var dialogue = Self.stepped()
        #expect(dialogue.tell(.drained) == [], "nobody has taken them")
        dialogue.hear(100)
        dialogue.pass(.milliseconds(3))
        #expect(dialogue.tell(.drained) == [.release])
        #expect(dialogue.router.counters.drainsCut == 0)
        #expect(dialogue.tell(.drained) == [])
    }

    /// The skew of another router is at most an interval, in version 2 a second.
    @Test(arguments: [(Advertisement.Version.three, 100, 150), (.three, 4_000, 1_050), (.two, 1_000, 1_050)])
    func theyDoNotStayForEver(_ version: Advertisement.Version, interval: Int, patience: Int) {
        var settings = Example.settings()
        settings.version = version
        settings.interval = .milliseconds(interval)
        var dialogue = Self.stepped(settings, isForced: true)
        #expect(dialogue.run(for: .milliseconds(patience - 1)) == [])
        // The farewell may have been lost.
        #expect(dialogue.run(for: .milliseconds(1)) == [.advertise(priority: 0), .drain])
        #expect(dialogue.router.partingOutcome == .givenUp)
        #expect(dialogue.run(for: VirtualRouter.Bounds.drainTime) == [.release])
        #expect(dialogue.router.counters.partingsUnseen == 1)
    }

    /// Who asks for an hour without the address asks for an hour of the other host, not of nobody.
    @Test(arguments: [(Advertisement.Version.three, 100, 150), (.three, 4_000, 1_050), (.two, 1_000, 1_050)])
    func whatNobodyTakesIsKept(_ version: Advertisement.Version, interval: Int, patience: Int) {
        var settings = Example.settings()
        settings.version = version
        settings.interval = .milliseconds(interval)
        var dialogue = Self.stepped(settings)
        #expect(dialogue.run(for: .milliseconds(patience - 1)) == [])
        // The farewell may have been lost: another one, and as much time.
        #expect(dialogue.run(for: .milliseconds(1)) == [.advertise(priority: 0)])
        #expect(dialogue.run(for: .milliseconds(patience - 1)) == [])
        // Active without a moment in which the sessions would be closed, and silent until the kernel says so.
        #expect(
            dialogue.run(for: .milliseconds(1)) == [.claim(2), .transition(from: .backup, to: .active, .notTaken)])
        #expect(dialogue.router.partingOutcome == .keptUntaken && !dialogue.router.isAdvertising)
        #expect(dialogue.tell(.addressesClaimed(2)) == [.advertise(priority: 100), .announce])
        #expect(dialogue.router.parting == nil && dialogue.router.counters.partingsUnseen == 1)
        // The wish is overtaken: it neither waits nor holds back later.
        dialogue.pass(.milliseconds(interval / 2))
        #expect(dialogue.hear(200, interval: settings.interval).contains(.release))
        #expect(dialogue.runToDeadline().first == .claim(3))
    }

    @Test func aSecondFarewellIsEnough() {
        var dialogue = Self.stepped()
        #expect(dialogue.run(for: .milliseconds(160)) == [.advertise(priority: 0)])
        #expect(dialogue.hear(100) == [.drain])
        #expect(dialogue.router.partingOutcome == .taken)
    }

    /// Its adverts do not arrive, and the pair link says that it has them.
    @Test func whatIsTakenUnheardIsLetGo() {
        var dialogue = Self.stepped()
        _ = dialogue.run(for: .milliseconds(290))
        dialogue.tell(
            .peerAlive(.init(role: .active, priority: 100, address: Example.lower), at: dialogue.now))
        #expect(dialogue.run(for: .milliseconds(20)) == [.advertise(priority: 0), .drain])
        #expect(dialogue.router.partingOutcome == .givenUp && dialogue.router.role == .backup)
    }

    /// Who took them a moment too late is the one who is wanted.
    @Test func whoComesLateIsStillWanted() {
        var dialogue = Self.stepped()
        _ = dialogue.run(for: .milliseconds(300))
        #expect(dialogue.router.role == .active)
        #expect(dialogue.hear(50).contains(.release))
        #expect(dialogue.router.role == .backup)
    }

    @Test func aStopLeavesNothingBehind() {
        var dialogue = Self.stepped()
        _ = dialogue.run(for: .milliseconds(160))
        #expect(dialogue.tell(.stop).contains(.release))
        #expect(dialogue.router.parting == nil)
    }

    @Test func aFarewellOfTheOtherIsNoTakeover() {
        var dialogue = Self.stepped()
        #expect(dialogue.hear(0) == [])
        #expect(dialogue.router.parting != nil)
    }

    @Test func aHostThatCanServeNoMoreWaitsForNobody() {
        for event: Event in [.ready(false, reason: "gone"), .interface(up: false), .stop, .source(nil)] {
            var dialogue = Self.stepped()
            #expect(dialogue.tell(event).contains(.release), "\(event)")
            #expect(dialogue.router.parting == nil && dialogue.router.role == .initialize)
        }
    }

    /// Over and straight back: the other router steps down before this one has let go.
    @Test func whoIsWantedAgainKeepsThem() {
        var dialogue = Dialogue.active()
        dialogue.tell(.stepDown(for: nil))
        dialogue.hear(100)
        dialogue.hear(0)
        var actions: [Action] = []
        while !actions.contains(.claim(2)) { actions += dialogue.runToDeadline() }
        dialogue.tell(.addressesClaimed(2))
        #expect(dialogue.router.role == .active && dialogue.router.parting == nil)
        #expect(!dialogue.run(for: .milliseconds(100)).contains(.release))
    }

    /// An address that somebody has just removed is not kept for anybody.
    @Test func whatIsNotHereIsNotKept() {
        var dialogue = Dialogue.active()
        dialogue.tell(.addressLost(Example.virtual))
        #expect(dialogue.tell(.stepDown(for: nil)).contains(.release))
        #expect(dialogue.router.parting == nil)
    }

    @Test func aMemberThatMovesWithItsGroupWaitsToo() {
        var settings = Example.settings()
        settings.isGrouped = true
        var dialogue = Dialogue.backup(settings)
        dialogue.runToDeadline()
        dialogue.tell(.group(.claim))
        dialogue.tell(.addressesClaimed(1))
        #expect(dialogue.router.role == .active)
        #expect(!dialogue.tell(.group(.withdraw("another gave way", extraIntervals: 0))).contains(.release))
        #expect(dialogue.hear(100) == [.drain])
        #expect(dialogue.run(for: VirtualRouter.Bounds.drainTime) == [.release])
    }
}
