// What the vip process decides by the clock besides its state machines, on virtual time.

import Testing
import VRRP
import Wire

@testable import Failover

@Suite("Another holder of the address")
struct HolderSuspicionTests {
    private static let start = Instant.zero + .seconds(100)

    @Test("a first sighting is asked about again, and one that is still there is believed")
    func believed() {
        var suspicion = HolderSuspicion()
        let now = Self.start
        #expect(suspicion.saw(at: now) == .ask(at: now + HolderSuspicion.confirmation))
        #expect(suspicion.saw(at: now + .milliseconds(499)) == .nothing)
        #expect(suspicion.saw(at: now + .milliseconds(500)) == .believe)
        #expect(suspicion.saw(at: now + .milliseconds(1_499)) == .nothing)
        #expect(suspicion.saw(at: now + .milliseconds(1_500)) == .believe)
    }

    @Test("twenty thousand packets a second are one question and one report a second")
    func flood() {
        var suspicion = HolderSuspicion()
        var questions = 0
        var reports = 0
        for packet in 0..<200_000 {
            switch suspicion.saw(at: Self.start + .microseconds(50) * packet) {
            case .nothing: break
            case .ask: questions += 1
            case .believe: reports += 1
            }
        }
        #expect(questions == 1 && reports == 10)
    }

    @Test("who was there for a moment only is forgotten")
    func forgotten() {
        var suspicion = HolderSuspicion()
        let now = Self.start
        _ = suspicion.saw(at: now)
        let later = now + HolderSuspicion.sightingLimit + .milliseconds(1)
        #expect(suspicion.saw(at: later) == .ask(at: later + HolderSuspicion.confirmation))
        suspicion.forget()
        let end = later + .seconds(1)
        #expect(suspicion.saw(at: end) == .ask(at: end + HolderSuspicion.confirmation))
    }
}

@Suite("When addresses are renewed")
struct RenewalMomentTests {
    @Test("in the first half of an interval, else in that of the next one", arguments: [10, 100, 500])
    func pace(_ milliseconds: Int) {
        let interval = Duration.milliseconds(milliseconds)
        let next = Instant.zero + .seconds(10)
        for step in 0..<100 {
            let now = next - interval + interval * step / 100
            let moment = AddressLease.moment(at: now, nextAdvertisement: next, interval: interval)
            #expect(step <= 50 ? moment == now : moment == next + interval / 4)
        }
        // An advert that is overdue, or far away: there is nothing to keep away from.
        #expect(AddressLease.moment(at: next + .seconds(1), nextAdvertisement: next, interval: interval) == next + .seconds(1))
        let slow = Duration.seconds(4)
        #expect(AddressLease.moment(at: next - .milliseconds(1), nextAdvertisement: next, interval: slow) == next - .milliseconds(1))
    }
}
