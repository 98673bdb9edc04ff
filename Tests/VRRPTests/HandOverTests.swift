// An active router that is not well, and a peer that is.

import Testing
import VRRP
import Wire

@Suite struct HandOverTests {
    static let willing = VirtualRouter.PeerReport(
        role: .backup, priority: 100, address: Example.lower, isWilling: true)
    static let unwilling = VirtualRouter.PeerReport(role: .backup, priority: 100, address: Example.lower)

    /// An active router of priority 150 whose servers are gone, for which the patience is over.
    static var impaired: Dialogue {
        var dialogue = Dialogue.active(Example.settings(priority: 150))
        dialogue.tell(.weight(-253, isImpaired: true))
        _ = dialogue.run(for: VirtualRouter.Bounds.impairedPatience)
        return dialogue
    }

    @Test func itHandsOverToAWillingPeer() {
        var dialogue = Self.impaired
        #expect(
            dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)) == [
                .advertise(priority: 0), .release,
                .transition(from: .active, to: .backup, .handedOverImpaired(to: Example.lower)),
            ])
        #expect(dialogue.router.counters.impairedHandOvers == 1)
        // The peer takes the address, and keeps it when our servers are back: preempt never.
        dialogue.hear(100)
        dialogue.tell(.weight(0))
        for _ in 0..<100 {
            dialogue.hear(100)
            #expect(dialogue.run(for: .milliseconds(100)) == [])
        }
    }

    @Test func aPeerThatIsNotWellEitherIsNoBetter() {
        var dialogue = Self.impaired
        for _ in 0..<50 {
            #expect(!dialogue.tell(.peerAlive(Self.unwilling, at: dialogue.now)).contains(.release))
            _ = dialogue.run(for: .milliseconds(100))
        }
        #expect(dialogue.router.role == .active)
    }

    @Test func aHealthyRouterKeepsTheAddressWhateverThePriorities() {
        var dialogue = Dialogue.active(Example.settings(priority: 50))
        let better = VirtualRouter.PeerReport(role: .backup, priority: 250, address: Example.lower, isWilling: true)
        for _ in 0..<50 {
            dialogue.tell(.peerAlive(better, at: dialogue.now))
            _ = dialogue.run(for: .milliseconds(100))
        }
        #expect(dialogue.router.role == .active)
    }

    /// Both hosts lose the same servers, and their checks find out at different times.
    @Test func theFirstMomentIsWaitedFor() {
        var dialogue = Dialogue.active(Example.settings(priority: 150))
        dialogue.tell(.weight(-253, isImpaired: true))
        dialogue.pass(.milliseconds(900))
        #expect(dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)) == [])
        dialogue.tell(.weight(0))
        dialogue.tell(.weight(-253, isImpaired: true))
        dialogue.pass(.milliseconds(900))
        #expect(dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)) == [], "a new fault, a new patience")
    }

    /// The peer said it was willing and then did not come: the address is taken back, and kept for a while.
    @Test func aHandOverThatFailedIsNotTriedAtOnceAgain() {
        var dialogue = Self.impaired
        dialogue.tell(.peerAlive(Self.willing, at: dialogue.now))
        let start = dialogue.now
        while dialogue.router.role == .backup { dialogue.runToDeadline() }
        #expect(dialogue.now - start >= VirtualRouter.Bounds.handOverHold)
        dialogue.tell(.addressesClaimed(2))
        #expect(dialogue.router.role == .active)
        while dialogue.now - start < VirtualRouter.Bounds.handOverPause - .milliseconds(200) {
            #expect(!dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)).contains(.release))
            _ = dialogue.run(for: .milliseconds(100))
        }
        _ = dialogue.run(for: .milliseconds(300))
        #expect(dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)).contains(.release))
    }

    /// A split ends: the loser yields, and the winner's checks still see its servers gone for a moment.
    @Test func theEndOfASplitIsOneSwitch() {
        var dialogue = Self.impaired
        dialogue.tell(.weight(-50, isImpaired: true))
        dialogue.hear(90)
        let heal = dialogue.now
        while dialogue.now - heal < VirtualRouter.Bounds.splitPause {
            #expect(!dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)).contains(.release))
            _ = dialogue.run(for: .milliseconds(100))
        }
        #expect(dialogue.tell(.peerAlive(Self.willing, at: dialogue.now)).contains(.release))
    }

    @Test func whoIsWillingSaysSo() {
        var dialogue = Dialogue.backup()
        #expect(dialogue.router.isWilling(at: dialogue.now))
        dialogue.tell(.weight(-1, isImpaired: true))
        #expect(!dialogue.router.isWilling(at: dialogue.now))
        dialogue.tell(.weight(0))
        #expect(dialogue.router.isWilling(at: dialogue.now))
        dialogue.tell(.stepDown(for: .seconds(60)))
        #expect(!dialogue.router.isWilling(at: dialogue.now), "the operator wants it to stay away")
        #expect(dialogue.router.isWilling(at: dialogue.now + .seconds(60)))
        dialogue.tell(.ready(false, reason: "the balancer is silent"))
        #expect(!dialogue.router.isWilling(at: dialogue.now + .seconds(60)))
        #expect(!Dialogue.active().router.isWilling(at: .zero))
    }

    @Test func onlyARouterThatSpeaksIsAdvertising() {
        var dialogue = Dialogue.active()
        #expect(dialogue.router.isAdvertising)
        dialogue.tell(.addressLost(Example.virtual))
        #expect(dialogue.router.role == .active && !dialogue.router.isAdvertising)
        #expect(!Dialogue.claiming().router.isAdvertising)
    }
}
