// Unknown is failed, changes last before they are believed, and weights add up within their range.

import Testing
import VRRP
import Wire

@Suite struct TrackingTests {
    typealias Item = Tracking.Item
    typealias Verdict = Tracking.Verdict
    static let gateway = IPAddress.v4(IPv4Address(10, 0, 0, 1))

    /// An item, an observation that is well, and one that is not.
    struct Kind: Sendable {
        var subject: Tracking.Subject
        var well: Tracking.Observation
        var ill: Tracking.Observation
        var words: String
    }

    static let kinds = [
        Kind(
            subject: .balancer, well: .balancer(serves: true, reason: "serves"),
            ill: .balancer(serves: false, reason: "a loop is silent"), words: "balancer: a loop is silent"),
        Kind(
            subject: .interface("eth1"), well: .interface("eth1", up: true), ill: .interface("eth1", up: false),
            words: "interface eth1: down"),
        Kind(
            subject: .servers(backend: "emqx", minimum: 2), well: .servers(backend: "emqx", usable: 2),
            ill: .servers(backend: "emqx", usable: 1), words: "backend emqx: 1 usable of at least 2"),
        Kind(
            subject: .servers(backend: "emqx", minimum: 1), well: .servers(backend: "emqx", usable: 3),
            ill: .servers(backend: "emqx", usable: nil),
            words: "backend emqx: the number of usable servers is not known"
        ),
        Kind(
            subject: .source(gateway), well: .source(gateway, present: true), ill: .source(gateway, present: false),
            words: "address 10.0.0.1: not on this host"),
        Kind(
            subject: .file("/run/x"), well: .file("/run/x", value: 0), ill: .file("/run/x", value: 1),
            words: "file /run/x: says 1"),
        Kind(
            subject: .file("/run/x"), well: .file("/run/x", value: 0), ill: .file("/run/x", value: nil),
            words: "file /run/x: unreadable or not a number"),
        Kind(
            subject: .script("check"), well: .script("check", .succeeded), ill: .script("check", .failed(status: 1)),
            words: "script check: failed with exit status 1"),
        Kind(
            subject: .script("check"), well: .script("check", .succeeded), ill: .script("check", .timedOut),
            words: "script check: did not end in time"),
        Kind(
            subject: .script("check"), well: .script("check", .succeeded), ill: .script("check", .killed(signal: 9)),
            words: "script check: was ended by signal 9"),
        Kind(
            subject: .script("check"), well: .script("check", .succeeded),
            ill: .script("check", .couldNotRun(errno: 2)),
            words: "script check: could not run (errno 2)"),
        Kind(
            subject: .witness(gateway), well: .witness(gateway, answers: true), ill: .witness(gateway, answers: false),
            words: "witness 10.0.0.1: does not answer"),
    ]

    @Test(arguments: kinds)
    func faults(kind: Kind) {
        var tracking = Tracking([Item(kind.subject)])
        #expect(tracking.verdict.faults == ["\(kind.subject): not observed yet"], "unknown is failed")
        #expect(tracking.handle(kind.well, at: .zero) == .init(faults: [], weight: 0))
        #expect(tracking.handle(kind.well, at: .zero) == nil)
        #expect(tracking.handle(kind.ill, at: .zero) == .init(faults: [kind.words], weight: 0))
        #expect(tracking.verdict.reason == kind.words && !tracking.verdict.isReady)
    }

    @Test(arguments: kinds)
    func weights(kind: Kind) {
        if case .file = kind.subject { return }
        var gains = Tracking([Item(kind.subject, .weight(30))])
        var loses = Tracking([Item(kind.subject, .weight(-30))])
        #expect((gains.verdict.weight, loses.verdict.weight) == (0, -30))
        #expect(gains.handle(kind.well, at: .zero)?.weight == 30)
        #expect(loses.handle(kind.well, at: .zero)?.weight == 0)
        #expect(gains.handle(kind.ill, at: .zero)?.weight == 0)
        #expect(loses.handle(kind.ill, at: .zero)?.weight == -30)
        #expect(loses.verdict.isReady, "a weight is never a fault")
    }

    @Test func theNumberInAFileIsTimesItsWeight() {
        var tracking = Tracking([Item(.file("/f"), .weight(-2))])
        #expect(tracking.verdict.weight == -2, "unknown is failed")
        let cases: [(Int?, Int)] = [
            (0, 0), (10, -20), (-10, 20), (1000, -254), (Int.max, -254), (nil, -2), (5, -10), (0, 0),
        ]
        for (value, weight) in cases {
            _ = tracking.handle(.file("/f", value: value), at: .zero)
            #expect(tracking.verdict.weight == weight, "\(String(describing: value))")
        }
    }

    @Test func flappingIsDebounced() {
        var tracking = Tracking([Item(.interface("eth1"), upDelay: .seconds(5), downDelay: .milliseconds(200))])
        var now = Instant.zero
        #expect(
            tracking.handle(.interface("eth1", up: true), at: now)?.isReady == true, "the first is believed at once")
        for _ in 0..<10 {
            now += .milliseconds(150)
            #expect(tracking.handle(.interface("eth1", up: false), at: now) == nil)
            #expect(tracking.nextDeadline == now + .milliseconds(200))
            now += .milliseconds(150)
            #expect(tracking.handle(.interface("eth1", up: true), at: now) == nil)
            #expect(tracking.nextDeadline == nil)
        }
        _ = tracking.handle(.interface("eth1", up: false), at: now)
        now += .milliseconds(100)
        // Said again is not begun again.
        _ = tracking.handle(.interface("eth1", up: false), at: now)
        #expect(tracking.timeout(at: now) == nil)
        now += .milliseconds(100)
        #expect(tracking.timeout(at: now)?.isReady == false)
        _ = tracking.handle(.interface("eth1", up: true), at: now)
        #expect(tracking.timeout(at: now + .milliseconds(4_999)) == nil)
        #expect(tracking.timeout(at: now + .seconds(5))?.isReady == true)
    }

    @Test func scriptsRiseAndFall() {
        var tracking = Tracking([Item(.script("s"), rise: 2, fall: 3)])
        func run(_ results: [Tracking.ScriptResult]) -> [Bool] {
            results.map { result in
                _ = tracking.handle(.script("s", result), at: .zero)
                return tracking.verdict.isReady
            }
        }
        #expect(run([.succeeded, .failed(status: 1), .succeeded, .succeeded]) == [false, false, false, true])
        #expect(
            run([.timedOut, .couldNotRun(errno: 13), .succeeded, .timedOut, .failed(status: 2), .killed(signal: 15)])
                == [true, true, true, true, true, false])
        #expect(run([.succeeded, .succeeded]) == [false, true])
    }

    @Test func everythingAddsUp() {
        var tracking = Tracking([
            Item(.balancer), Item(.interface("eth1")), Item(.servers(backend: "a", minimum: 1), .weight(-100)),
            Item(.servers(backend: "a", minimum: 3), .weight(-20)), Item(.file("/f"), .weight(1)),
        ])
        _ = tracking.handle(.servers(backend: "a", usable: 2), at: .zero)
        _ = tracking.handle(.file("/f", value: 7), at: .zero)
        #expect(tracking.verdict.weight == -13)
        #expect(tracking.verdict.faults.count == 2)
        #expect(tracking.verdict.reason == "balancer: not observed yet; interface eth1: not observed yet")
        #expect(tracking.handle(.servers(backend: "b", usable: 0), at: .zero) == nil, "nobody tracks it")
        #expect(tracking.report.array?[4]["detail"]?.string == "says 7")
        #expect(tracking.report.array?[2]["well"]?.bool == true)
    }

    @Test(arguments: [(100, 0, 100), (100, -200, 1), (100, 200, 254), (1, -1, 1), (254, 1, 254), (100, Int.min, 1)])
    func priorities(base: Int, weight: Int, priority: Int) {
        #expect(Tracking.priority(UInt8(base), weight: weight) == UInt8(priority))
    }

    @Test func aReloadKeepsWhatIsKnown() {
        var tracking = Tracking([Item(.balancer), Item(.servers(backend: "a", minimum: 1)), Item(.interface("eth1"))])
        _ = tracking.handle(.balancer(serves: true, reason: ""), at: .zero)
        _ = tracking.handle(.servers(backend: "a", usable: 2), at: .zero)
        tracking.configure(
            [Item(.servers(backend: "a", minimum: 3)), Item(.balancer, .weight(5)), Item(.interface("eth2"))], at: .zero
        )
        #expect(
            tracking.verdict
                == .init(
                    faults: ["backend a: 2 usable of at least 3", "interface eth2: not observed yet"], weight: 5))
        tracking.configure([Item(.servers(backend: "a", minimum: 2))], at: .zero)
        #expect(tracking.verdict.isReady)
        tracking.configure([], at: .zero)
        #expect(tracking.verdict == .init(faults: [], weight: 0))
    }

    @Test func aDelayGoesOnAfterAReload() {
        var tracking = Tracking([Item(.interface("eth1"), downDelay: .seconds(1))])
        _ = tracking.handle(.interface("eth1", up: true), at: .zero)
        _ = tracking.handle(.interface("eth1", up: false), at: .zero)
        tracking.configure([Item(.interface("eth1"), .weight(-10), downDelay: .seconds(2))], at: .zero)
        #expect(tracking.verdict.weight == 0)
        #expect(tracking.timeout(at: .zero + .seconds(2))?.weight == -10)
    }

    @Test func aNumberThatRaisesThePriorityIsNoWeakness() {
        var tracking = Tracking([Item(.file("/f"), .weight(2))])
        _ = tracking.handle(.file("/f", value: 10), at: .zero)
        #expect(tracking.verdict == Verdict(faults: [], weight: 20))
        _ = tracking.handle(.file("/f", value: -10), at: .zero)
        #expect(tracking.verdict.weight == -20 && tracking.verdict.isImpaired)
    }

    // MARK: All servers, and what is new

    @Test func aHostWithoutAnyServerIsWorthLess() {
        var tracking = Tracking([Item(.anyServer, .weight(-253))])
        #expect(tracking.verdict.weight == -253 && tracking.verdict.isImpaired, "unknown is failed")
        #expect(!tracking.isComplete)
        #expect(tracking.handle(.anyServer(usable: 1), at: .zero) == Verdict(faults: [], weight: 0))
        #expect(tracking.isComplete)
        #expect(
            tracking.handle(.anyServer(usable: 0), at: .zero)
                == Verdict(faults: [], weight: -253, weaknesses: ["servers of all backends: 0 usable"]))
        #expect(tracking.handle(.anyServer(usable: nil), at: .zero)?.weight == -253)
    }

    /// A new configuration must not move the addresses: what it adds is waited for, then it has failed.
    @Test func whatIsAddedLaterIsWaitedFor() {
        var tracking = Tracking([Item(.file("/f"))])
        _ = tracking.handle(.file("/f", value: 0), at: .zero)
        let script = Item(.script("s"), rise: 1, fall: 2, patience: .seconds(5))
        tracking.configure([Item(.file("/f")), script], at: Instant.zero + .seconds(10))
        #expect(tracking.verdict.isReady && !tracking.isComplete)
        #expect(tracking.nextDeadline == Instant.zero + .seconds(15))
        #expect(tracking.timeout(at: Instant.zero + .milliseconds(14_999)) == nil)
        #expect(tracking.timeout(at: Instant.zero + .seconds(15))?.faults == ["script s: not observed yet"])
        #expect(tracking.nextDeadline == nil)
        #expect(tracking.handle(.script("s", .succeeded), at: Instant.zero + .seconds(16))?.isReady == true)
        // Seen in time: the first failure is patience's end as well, when so many are believed.
        tracking.configure([Item(.script("t"), patience: .seconds(5))], at: Instant.zero + .seconds(20))
        #expect(tracking.verdict.isReady)
        let result = Tracking.ScriptResult.couldNotRun(errno: 2)
        #expect(
            tracking.handle(.script("t", result), at: Instant.zero + .seconds(21))?.faults
                == ["script t: could not run (errno 2)"])
    }
}
