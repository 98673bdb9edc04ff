// When an active router tells its neighbours where the addresses are.

import Testing
import VRRP
import Wire

@Suite struct AnnouncementTests {
    private static func settings(repeats: Int, refresh: Duration? = nil) -> VirtualRouter.Settings {
        .init(
            routerID: 51, priority: 100, addresses: [Example.virtual], peers: [Example.lower, Example.higher],
            announceRepeats: repeats, announceRefresh: refresh)
    }

    /// When the router announces within a time, from now on.
    private static func rounds(_ dialogue: inout Dialogue, within: Duration) -> [Duration] {
        let start = dialogue.now
        var rounds: [Duration] = []
        while let deadline = dialogue.router.nextDeadline, deadline <= start + within {
            for action in dialogue.runToDeadline() where action == .announce { rounds.append(dialogue.now - start) }
        }
        return rounds
    }

    @Test func fiveRoundsAtATakeoverThenTwoMoreThenTheRefresh() {
        var dialogue = Dialogue.active(Self.settings(repeats: 5, refresh: .seconds(30)))
        // The first came with the takeover itself.
        #expect(
            Self.rounds(&dialogue, within: .seconds(100)) == [
                .milliseconds(50), .milliseconds(100), .milliseconds(150), .milliseconds(200), .seconds(1), .seconds(5),
                .seconds(35), .seconds(65), .seconds(95),
            ])
    }

    @Test func withoutARefreshItEnds() {
        var dialogue = Dialogue.active(Self.settings(repeats: 2))
        #expect(
            Self.rounds(&dialogue, within: .seconds(100)) == [.milliseconds(50), .seconds(1), .seconds(5)])
    }

    @Test func aRefreshThatIsConfiguredLaterBegins() {
        var dialogue = Dialogue.active(Self.settings(repeats: 1))
        #expect(Self.rounds(&dialogue, within: .seconds(10)) == [.seconds(1), .seconds(5)])
        dialogue.tell(.configure(Self.settings(repeats: 1, refresh: .seconds(60))))
        dialogue.tell(.addressesClaimed(2))
        #expect(Self.rounds(&dialogue, within: .seconds(70)) == [.seconds(55)])
    }

    @Test func roundsThatWereSleptThroughAreOne() {
        var dialogue = Dialogue.active(Self.settings(repeats: 5))
        dialogue.pass(.milliseconds(170))
        #expect(Array(dialogue.router.timeout(at: dialogue.now)) == [.advertise(priority: 100), .announce])
        #expect(Self.rounds(&dialogue, within: .milliseconds(500)) == [.milliseconds(30)])
    }

    @Test func aRenewedDeviceIsAnnouncedAtOnceAndAgain() {
        var dialogue = Dialogue.active(Self.settings(repeats: 3))
        _ = dialogue.run(for: .seconds(10))
        #expect(dialogue.tell(.deviceRenewed) == [.announce])
        #expect(dialogue.router.counters.devicesRenewed == 1)
        #expect(
            Self.rounds(&dialogue, within: .seconds(10)) == [
                .milliseconds(50), .milliseconds(100), .seconds(1), .seconds(5),
            ])
    }

    @Test func aRenewedDeviceIsNothingToABackup() {
        var dialogue = Dialogue.backup()
        #expect(dialogue.tell(.deviceRenewed).isEmpty)
        #expect(dialogue.router.counters.devicesRenewed == 0)
    }

    @Test func whileAnAddressIsMissingTheAnnouncementWaitsForIt() {
        var dialogue = Dialogue.active(Self.settings(repeats: 1))
        _ = dialogue.run(for: .seconds(10))
        #expect(dialogue.tell(.addressLost(Example.virtual)) == [.claim(2)])
        #expect(dialogue.tell(.deviceRenewed).isEmpty)
        #expect(dialogue.tell(.addressesClaimed(2)).contains(.announce))
    }
}
