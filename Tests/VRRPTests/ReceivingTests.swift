// Whom a router listens to, what it counts and remembers, and what it says about itself.

import Testing
import VRRP
import Wire

@Suite struct ReceivingTests {
    static func advertisement(_ change: (inout Advertisement) -> Void = { _ in }) -> Advertisement {
        var advertisement = Advertisement(
            version: .three, routerID: 51, priority: 250, interval: .milliseconds(100), addresses: [Example.virtual])
        change(&advertisement)
        return advertisement
    }

    /// A refused advertisement, and why.
    struct Case: Sendable {
        var reason: Discard
        var advertisement = ReceivingTests.advertisement()
        var from = Example.lower
        var to = Example.ours
    }

    static let cases = [
        Case(reason: .notAPeer, from: Example.stranger),
        Case(reason: .ownAddress, from: Example.ours),
        Case(reason: .otherRouterID, advertisement: advertisement { $0.routerID = 52 }),
        Case(reason: .versionMismatch, advertisement: advertisement { $0.version = .two }),
        Case(reason: .unexpectedMulticast, to: Advertisement.ipv4Group),
        Case(
            reason: .wrongFamily, from: AdvertisementTests.link1, to: AdvertisementTests.linkA),
    ]

    @Test(arguments: cases)
    func refusals(refused: Case) {
        for var dialogue in [Dialogue.backup(), Dialogue.active()] {
            let before = (dialogue.router.role, dialogue.router.nextDeadline)
            let event = Event.received(refused.advertisement, from: refused.from, to: refused.to)
            #expect(dialogue.tell(event) == [.refused(refused.reason, refused.from)])
            #expect((dialogue.router.role, dialogue.router.nextDeadline) == before)
            #expect(dialogue.router.counters.refusals == [refused.reason: 1])
            #expect(dialogue.router.lastRefusal?.source == refused.from)
            #expect(dialogue.router.peers.isEmpty)
        }
    }

    @Test func aMulticastRouterRefusesUnicast() {
        var settings = Example.settings()
        settings.peers = []
        var dialogue = Dialogue.backup(settings)
        let advertisement = Self.advertisement()
        #expect(
            dialogue.tell(.received(advertisement, from: Example.lower, to: Example.ours)) == [
                .refused(.unexpectedUnicast, Example.lower)
            ])
        #expect(dialogue.tell(.received(advertisement, from: Example.lower, to: Advertisement.ipv4Group)) == [])
    }

    @Test func version2WantsTheSamePasswordAndInterval() {
        let settings = VirtualRouter.Settings(
            version: .two, routerID: 51, priority: 100, interval: .seconds(1), addresses: [Example.virtual],
            peers: [Example.lower], authentication: .password(1))
        var dialogue = Dialogue.backup(settings)
        func say(_ authentication: Advertisement.Authentication, _ interval: Duration) -> [Action] {
            let advertisement = Self.advertisement {
                $0.version = .two
                $0.authentication = authentication
                $0.interval = interval
            }
            return dialogue.tell(.received(advertisement, from: Example.lower, to: Example.ours))
        }
        #expect(say(.none, .seconds(1)) == [.refused(.authenticationMismatch, Example.lower)])
        #expect(say(.password(2), .seconds(1)) == [.refused(.authenticationMismatch, Example.lower)])
        #expect(say(.password(1), .seconds(2)) == [.refused(.intervalMismatch, Example.lower)])
        #expect(say(.password(1), .seconds(1)) == [])
        #expect(dialogue.router.counters.advertisementsReceived == 1)
    }

    @Test(arguments: Discard.allCases)
    func whatTheParserRefusedIsCounted(reason: Discard) {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.tell(.refused(reason, from: Example.stranger)) == [.refused(reason, Example.stranger)])
        #expect(dialogue.router.counters.refusals == [reason: 1])
        #expect(dialogue.router.role == .active)
    }

    @Test func anotherListOfAddressesIsNotedAndBelieved() {
        var dialogue = Dialogue.backup()
        let other = Self.advertisement { $0.addresses = [Example.virtual, Example.stranger] }
        #expect(dialogue.tell(.received(other, from: Example.lower, to: Example.ours)) == [])
        #expect(dialogue.router.peers.first?.addressesDiffer == true)
        #expect(dialogue.router.nextDeadline == dialogue.now + BackupTests.down)
        dialogue.hear(250)
        #expect(dialogue.router.peers.first?.addressesDiffer == false)
        #expect(dialogue.router.peers.first?.advertisements == 2)
    }

    @Test func thePeerTableIsBounded() {
        var settings = Example.settings()
        settings.peers = []
        var dialogue = Dialogue.backup(settings)
        let bound = VirtualRouter.Bounds.maximumPeers
        for host in 1...bound + 5 {
            dialogue.pass(.milliseconds(1))
            let from = IPAddress.v4(IPv4Address(10, 0, 1, UInt8(host)))
            dialogue.tell(.received(Self.advertisement(), from: from, to: Advertisement.ipv4Group))
        }
        #expect(dialogue.router.peers.count == bound)
        #expect(dialogue.router.counters.peersForgotten == 5)
        #expect(!dialogue.router.peers.contains { $0.address == .v4(IPv4Address(10, 0, 1, 1)) })
    }

    @Test func sendFailuresAreCounted() {
        var dialogue = Dialogue.active()
        #expect(dialogue.tell(.sendFailed(errno: 100)) == [])
        #expect(dialogue.router.counters.sendFailures == 1)
    }

    @Test func itSaysWhy() {
        var backup = Dialogue.backup(Example.settings(priority: 200))
        #expect(backup.router.why(at: .zero) == "not active yet: nobody else is heard, the address is claimed in 321ms")
        backup.hear(150)
        backup.pass(.milliseconds(40))
        #expect(
            backup.router.why(at: backup.now)
                == "not active: 10.0.0.11 is active with priority 150 (lower than ours), last heard 40ms ago")

        var active = Dialogue.active()
        active.pass(.seconds(12))
        #expect(active.router.why(at: active.now) == "active for 12s: no other router was heard")

        var failed = Dialogue.claiming()
        #expect(
            failed.router.why(at: failed.now)
                == "about to be active: no other router was heard; waiting for the kernel to show the address")
        failed.tell(.addressClaimFailed(1, errno: 1))
        #expect(
            failed.router.why(at: failed.now)
                == "not active: the kernel refused the address (errno 1); next attempt in 1s")

        var stepped = Dialogue.active()
        stepped.tell(.stepDown(for: .seconds(600)))
        #expect(
            stepped.router.why(at: stepped.now)
                == "not active: stepped down, the address is left to the peer for 10s more")
    }
}
