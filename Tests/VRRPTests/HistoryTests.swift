// The last ten minutes: what is kept, what is forgotten, and how it reads.

import Testing
import VRRP
import Wire

@Suite struct HistoryTests {
    /// A dialogue whose every event is noted.
    struct Noted {
        var dialogue = Dialogue()
        var history = History()

        mutating func tell(_ event: Event) {
            history.note(event, dialogue.router.handle(event, at: dialogue.now), at: dialogue.now)
        }

        mutating func run(for duration: Duration) {
            let end = dialogue.now + duration
            while let deadline = dialogue.router.nextDeadline, deadline <= end {
                dialogue.now = deadline
                history.note(nil, dialogue.router.timeout(at: deadline), at: deadline)
                history.woke(due: deadline, at: deadline + .microseconds(300))
            }
            dialogue.now = end
        }

        mutating func becomeActive() {
            for event: Event in [
                .interface(up: true), .source(Example.ours), .ready(true, reason: ""), .started(holding: false),
            ] { tell(event) }
            run(for: .milliseconds(400))
            tell(.addressesClaimed(1))
        }

        func report() -> JSON { history.report(at: dialogue.now) }
    }

    @Test func itTellsWhatHappened() {
        var noted = Noted()
        noted.becomeActive()
        noted.run(for: .seconds(2))
        let advertisement = ReceivingTests.advertisement { $0.priority = 50 }
        noted.tell(.received(advertisement, from: Example.lower, to: Example.ours))
        noted.tell(.received(advertisement, from: Example.stranger, to: Example.ours))
        noted.tell(.refused(.badChecksum, from: Example.lower))
        noted.run(for: .milliseconds(50))
        noted.tell(.received(advertisement, from: Example.stranger, to: Example.ours))
        let report = noted.report()
        // Becoming active, and twenty intervals; the answer to the loser is spared, the last advert has just left.
        #expect(report["sent"]?.integer == 21)
        #expect(report["seen"]?.integer == 1)
        #expect(report["refused"]?.integer == 3)
        #expect(report["transitions"]?.array?.map { $0["to"]?.string } == ["backup", "claiming", "active"])
        #expect(report["transitions"]?.array?.last?["cause"]?.string == "no other router was heard")
        #expect(report["transitions"]?.array?.last?["age_ms"]?.integer == 2050)
        let refusals = report["refusals"]?.array ?? []
        #expect(refusals.map { $0["reason"]?.string } == ["bad-checksum", "not-a-peer"])
        #expect(refusals.last?["count"]?.integer == 2)
        #expect(refusals.last?["from"]?.string == "10.0.0.99")
        #expect(refusals.last?["first_age_ms"]?.integer == 50)
        #expect(refusals.last?["last_age_ms"]?.integer == 0)
        #expect(report["scheduling_delay"]?["up_to_1000us"]?.integer ?? 0 >= 20)
        #expect(report["scheduling_delay"]?["longest_us"]?.integer == 300)
        // Three seconds, the oldest first.
        #expect(report["rows"]?.array?.map { $0.array?.first?.integer } == [2, 1, 0])
    }

    @Test func tenMinutesAreKeptAndNoMore() {
        var noted = Noted()
        noted.becomeActive()
        noted.run(for: .seconds(1500))
        let report = noted.report()
        #expect(report["rows"]?.array?.count == 600)
        #expect(report["sent"]?.integer ?? 0 > 5_980 && report["sent"]?.integer ?? 0 <= 6_000)
        #expect(report["transitions"]?.array?.isEmpty == true)
    }

    @Test func delaysAreSorted() {
        var history = History()
        for milliseconds in [0, 1, 4, 19, 99, 499, 10_000] {
            history.woke(due: .zero, at: .zero + .milliseconds(milliseconds))
        }
        let delay = history.report(at: .zero + .seconds(10))["scheduling_delay"]
        for name in ["up_to_100us", "up_to_1000us", "up_to_5000us", "up_to_20000us", "up_to_100000us", "above"] {
            #expect(delay?[name]?.integer == 1, "\(name)")
        }
        #expect(delay?["longest_us"]?.integer == 10_000_000)
    }

    @Test func floodsAreBounded() {
        var noted = Noted()
        for host in 0..<1000 {
            noted.tell(.refused(.hmacMismatch, from: .v4(IPv4Address(UInt32(host)))))
            noted.tell(.interface(up: host % 2 == 0))
        }
        for _ in 0..<200 {
            noted.tell(.stop)
            for event: Event in [
                .interface(up: true), .source(Example.ours), .ready(true, reason: ""), .started(holding: false),
            ] { noted.tell(event) }
        }
        let report = noted.report()
        #expect(report["refusals"]?.array?.count == History.maximumRefusals)
        #expect(report["refusals_forgotten"]?.integer == Int64(1000 - History.maximumRefusals))
        #expect(report["refused"]?.integer == 1000)
        #expect(report["transitions"]?.array?.count == History.maximumTransitions)
        #expect(noted.history.transitionsForgotten > 0)
    }
}
