// Taking part or not: conditions, step-down, the source address, and new settings without leaving the state.

import Testing
import VRRP
import Wire

@Suite struct ConditionTests {
    @Test func unknownMeansNo() {
        var dialogue = Dialogue()
        #expect(dialogue.router.why(at: .zero) == "not active: not started")
        #expect(dialogue.tell(.started(holding: false)) == [])
        #expect(dialogue.router.why(at: .zero) == "not active: the interface is down")
        dialogue.tell(.interface(up: true))
        #expect(dialogue.router.why(at: .zero) == "not active: the interface has no address to send from")
        dialogue.tell(.source(Example.ours))
        #expect(dialogue.router.why(at: .zero) == "not active: not ready to serve: nothing has reported yet")
        #expect(dialogue.router.nextDeadline == nil)
        #expect(
            dialogue.tell(.ready(true, reason: "serving")) == [
                .transition(from: .initialize, to: .backup, .prepared)
            ])
    }

    @Test func anInterfaceThatGoesDownEndsTheRole() {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.tell(.interface(up: false)) == [
                .advertise(priority: 0), .release, .transition(from: .active, to: .initialize, .idle(.interfaceDown)),
            ])
        // It comes back, and listens before it claims.
        #expect(dialogue.tell(.interface(up: true)) == [.transition(from: .initialize, to: .backup, .prepared)])
        #expect(dialogue.router.nextDeadline == dialogue.now + BackupTests.down)
    }

    @Test func aLostSourceAddressEndsTheRoleWithoutAFarewell() {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.tell(.source(nil)) == [
                .release, .transition(from: .active, to: .initialize, .idle(.noSourceAddress)),
            ])
    }

    @Test func aChangedSourceAddressIsShownAtOnce() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(10))
        #expect(dialogue.tell(.source(Example.stranger)) == [.advertise(priority: 100)])
        #expect(dialogue.tell(.source(Example.stranger)) == [])
    }

    @Test func stepDownLeavesTheAddressToThePeer() {
        var dialogue = Dialogue.active(Example.settings(priority: 200))
        #expect(
            dialogue.tell(.stepDown(for: nil)) == [
                .advertise(priority: 0), .transition(from: .active, to: .backup, .steppedDown),
            ])
        dialogue.pass(.milliseconds(40))
        dialogue.hear(100)
        #expect(dialogue.run(for: VirtualRouter.Bounds.drainTime, hearing: 100) == [.release])
        // The peer served and died: its death counts.
        #expect(dialogue.run(for: .milliseconds(400)).first == .claim(2))
    }

    @Test func stepDownWithoutAPeerEndsAfterTheHold() {
        var dialogue = Dialogue.active()
        let start = dialogue.now
        // Two hours are two hours in which a lower priority is not displaced: nobody serves for ten seconds at the most.
        dialogue.tell(.stepDown(for: .seconds(7200), isForced: true))
        #expect(dialogue.run(for: .milliseconds(9_999)) == [.advertise(priority: 0), .drain, .release])
        #expect(dialogue.runToDeadline().first == .claim(2))
        #expect(dialogue.now == start + VirtualRouter.Bounds.stepDownHold)
    }

    @Test func withoutASocketNoPartIsTakenAndTheReasonIsTrue() {
        var dialogue = Dialogue.active()
        #expect(
            dialogue.tell(.socket(errno: 105)) == [
                .advertise(priority: 0), .release, .transition(from: .active, to: .initialize, .idle(.noSocket(errno: 105))),
            ])
        #expect(
            dialogue.router.why(at: dialogue.now)
                == "not active: the kernel gives no socket for advertisements (errno 105)")
        #expect(dialogue.router.nextDeadline == nil)
        #expect(dialogue.tell(.socket(errno: nil)) == [.transition(from: .initialize, to: .backup, .prepared)])
    }

    @Test func stepDownForATimeIsNotUndoneByPreemption() {
        var dialogue = Dialogue.active(Example.settings(priority: 200, preempt: .after(.zero)))
        let start = dialogue.now
        dialogue.tell(.stepDown(for: .seconds(60)))
        var claimedAt: Instant?
        while claimedAt == nil, dialogue.now < start + .seconds(90) {
            dialogue.pass(.milliseconds(50))
            dialogue.hear(100)
            if dialogue.timeout().contains(.claim(2)) { claimedAt = dialogue.now }
        }
        #expect(claimedAt.map { $0 - start } ?? .zero >= .seconds(60))
        #expect(claimedAt.map { $0 - start } ?? .seconds(90) < .seconds(61))
    }

    @Test func stepDownOfABackupKeepsItFromClaiming() {
        var dialogue = Dialogue.backup()
        #expect(dialogue.tell(.stepDown(for: .seconds(5))) == [])
        #expect(dialogue.run(for: .milliseconds(4_999)) == [])
        #expect(dialogue.runToDeadline().first == .claim(1))
    }

    @Test func aRestartFindsItsAddressesAndKeepsServing() {
        var dialogue = Dialogue()
        for event: Event in [.interface(up: true), .source(Example.ours), .ready(true, reason: "serving")] {
            dialogue.tell(event)
        }
        #expect(
            dialogue.tell(.started(holding: true)) == [.transition(from: .initialize, to: .active, .adopted)])
        // Silent, until it is sure that nobody took over.
        #expect(dialogue.runToDeadline() == [.claim(1)])
        #expect(dialogue.now == Instant.zero + .milliseconds(100) + BackupTests.skew)
        #expect(dialogue.tell(.addressesClaimed(1)) == [.advertise(priority: 100), .announce])
    }

    @Test func aRestartGivesWayToWhoTookOver() {
        var dialogue = Dialogue(Example.settings(priority: 200))
        for event: Event in [
            .interface(up: true), .source(Example.ours), .ready(true, reason: "serving"), .started(holding: true),
        ] { dialogue.tell(event) }
        #expect(
            dialogue.hear(100) == [
                .advertise(priority: 0), .release,
                .transition(from: .active, to: .backup, .yieldedAfterStall(to: Example.lower, priority: 100)),
            ])
    }

    @Test func aRestartThatCannotServeRemovesWhatItFinds() {
        var dialogue = Dialogue()
        #expect(dialogue.tell(.started(holding: true)) == [.release])
        #expect(dialogue.router.role == .initialize)
    }

    @Test func newSettingsKeepTheActiveRoleAndTheAdvertisements() {
        var dialogue = Dialogue.active()
        dialogue.pass(.milliseconds(50))
        var settings = Example.settings(priority: 180)
        settings.addresses.append(Example.stranger)
        #expect(dialogue.tell(.configure(settings)) == [.claim(2), .advertise(priority: 180)])
        // Advertising goes on while the kernel works.
        #expect(dialogue.run(for: .milliseconds(100)) == [.advertise(priority: 180)])
        #expect(dialogue.tell(.addressesClaimed(2)) == [.announce])
        #expect(dialogue.router.advertisement(priority: 180).addresses == settings.addresses)
    }

    @Test func aThousandReloadsMoveNothingAndDelayNothing() {
        var dialogue = Dialogue.active()
        let transitions = dialogue.router.counters.transitions
        var last = dialogue.now
        var longest = Duration.zero
        for reload in 0..<1000 {
            var settings = Example.settings(priority: UInt8(100 + reload % 3))
            if reload % 2 == 0 { settings.unadvertised = [Example.stranger] }
            for action in dialogue.tell(.configure(settings)) + dialogue.run(for: .milliseconds(97)) {
                switch action {
                case .claim(let attempt): dialogue.tell(.addressesClaimed(attempt))
                case .advertise:
                    longest = max(longest, dialogue.now - last)
                    last = dialogue.now
                default: break
                }
            }
        }
        #expect(dialogue.router.role == .active)
        #expect(dialogue.router.counters.transitions == transitions)
        #expect(longest <= .milliseconds(150))
    }

    @Test func newSettingsKeepABackupListening() {
        var dialogue = Dialogue.backup()
        dialogue.hear(150, interval: .seconds(1))
        let deadline = dialogue.router.nextDeadline
        #expect(dialogue.tell(.configure(Example.settings(priority: 90))) == [])
        #expect(dialogue.router.nextDeadline == deadline)
    }

    @Test func version2SpeaksWithItsPassword() throws {
        let password = try #require(Advertisement.Authentication(password: "secret"))
        let settings = VirtualRouter.Settings(
            version: .two, routerID: 51, priority: 100, interval: .seconds(1), addresses: [Example.virtual],
            authentication: password)
        let written = VirtualRouter(settings).advertisement(priority: 0)
        #expect(written.authentication == password && written.version == .two && written.priority == 0)
    }
}
