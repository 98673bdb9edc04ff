// Debian's keepalived 2.2.7 as the other router.

import Glibc
import Lab
import Linux
import Testing
import Wire

extension TwoHosts {
    @Suite("keepalived as the other router", .serialized)
    struct KeepalivedInterop {
        /// Its down timer: three intervals and its skew at priority 100 (RFC 9568, 6.1).
        static let downTime: Duration = .milliseconds(300 + 61)
        static let interval: Duration = .milliseconds(100)
        /// Generous: a hand-over by priority 0 must be clearly faster than a silence.
        static let handOver: Duration = .milliseconds(240)

        static func settings(_ transport: String) -> LabSettings {
            var settings = Setting.settings
            settings.transport = transport
            settings.authentication = "none"
            return settings
        }

        /// We start first and hold the address; keepalived stays backup.
        static func withUsActive(_ transport: String, _ body: (Lab, Keepalived, AddressWatch) throws -> Void) throws {
            try Setting.lab(settings(transport)) { lab in
                for broker in lab.brokers { try broker.start() }
                try lab.proxies[0].start()
                try lab.waitUntilServing()
                let watch = try lab.watchAddress()
                let rival = Keepalived(on: lab.proxies[1].host, in: lab)
                try rival.start(priority: 100, peer: lab.proxies[0].host, lab.settings)
                try lab.bench.pass(.seconds(3))
                #expect(rival.isRunning, "\(rival.log)")
                #expect(watch.holders == ["lb1"], "keepalived must hear us and stay backup\n\(rival.log)")
                try body(lab, rival, watch)
            }
        }

        /// When a host got the address, after a time.
        static func claim(_ watch: AddressWatch, by host: String, after time: Instant) -> Instant? {
            watch.changes.first { $0.host == host && $0.holds && $0.time >= time }?.time
        }

        @Test(
            "it accepts our adverts: promotes three intervals after we fell silent, not before",
            .timeLimit(.minutes(2)), arguments: ["unicast", "multicast"])
        func accepted(_ transport: String) throws {
            try Self.withUsActive(transport) { lab, rival, watch in
                let cut = try lab.network.cut(lab.proxies[0].host)
                _ = try lab.bench.wait(for: .seconds(3)) { Self.claim(watch, by: "lb2", after: cut.before) != nil }
                let claimed = try #require(Self.claim(watch, by: "lb2", after: cut.before), "\(rival.log)")
                // Our last advert left at most one interval before the cut.
                #expect(claimed - cut.before >= Self.downTime - Self.interval - .milliseconds(10))
                #expect(claimed - cut.after <= Self.downTime + .milliseconds(500))
            }
        }

        @Test(
            "it takes over at once when we stop: priority 0", .timeLimit(.minutes(2)),
            arguments: ["unicast", "multicast"])
        func weLeave(_ transport: String) throws {
            try Self.withUsActive(transport) { lab, rival, watch in
                let start = Clock.now
                try lab.proxies[0].stop()
                _ = try lab.bench.wait(for: .seconds(3)) { Self.claim(watch, by: "lb2", after: start) != nil }
                let claimed = try #require(Self.claim(watch, by: "lb2", after: start), "\(rival.log)")
                let released = try #require(
                    watch.changes.first { $0.host == "lb1" && !$0.holds && $0.time >= start }?.time)
                #expect(claimed - released <= Self.handOver, "\(rival.log)")
                #expect(watch.overlap(since: start, until: Clock.now) <= .milliseconds(50))
            }
        }

        /// keepalived holds the address before we start; we stay backup.
        static func withItActive(_ transport: String, _ body: (Lab, Keepalived, AddressWatch) throws -> Void) throws {
            try Setting.lab(settings(transport)) { lab in
                let rival = Keepalived(on: lab.proxies[1].host, in: lab)
                try rival.start(priority: 100, peer: lab.proxies[0].host, lab.settings)
                let deadline = Clock.now + .seconds(10)
                while try !rival.holdsAddress(), Clock.now < deadline { try lab.bench.pass(.milliseconds(50)) }
                let watch = try lab.watchAddress()
                try #require(watch.holders == ["lb2"], "\(rival.log)")
                for broker in lab.brokers { try broker.start() }
                try lab.proxies[0].start()
                try lab.bench.pass(.seconds(3))
                #expect(watch.holders == ["lb2"], "we must hear keepalived and never preempt it\n\(lab.logs(30))")
                try body(lab, rival, watch)
            }
        }

        @Test(
            "we take over at once when it stops: priority 0", .timeLimit(.minutes(2)),
            arguments: ["unicast", "multicast"])
        func itLeaves(_ transport: String) throws {
            try Self.withItActive(transport) { lab, rival, watch in
                let stopped = try rival.stop()
                _ = try lab.bench.wait(for: .seconds(3)) { Self.claim(watch, by: "lb1", after: stopped.before) != nil }
                let claimed = try #require(Self.claim(watch, by: "lb1", after: stopped.before), "\(lab.logs(30))")
                #expect(claimed - stopped.before <= Self.handOver)
                try lab.waitUntilServing()
            }
        }

        @Test(
            "we take over after three intervals when it dies", .timeLimit(.minutes(2)),
            arguments: ["unicast", "multicast"])
        func itDies(_ transport: String) throws {
            try Self.withItActive(transport) { lab, rival, watch in
                let cut = try lab.network.cut(rival.host)
                _ = try lab.bench.wait(for: .seconds(3)) { Self.claim(watch, by: "lb1", after: cut.before) != nil }
                let claimed = try #require(Self.claim(watch, by: "lb1", after: cut.before), "\(lab.logs(30))")
                #expect(claimed - cut.before >= .milliseconds(300 - 100 - 10))
                #expect(claimed - cut.after <= .milliseconds(900))
            }
        }

        @Test("it yields to us when two were active: higher priority wins", .timeLimit(.minutes(2)))
        func split() throws {
            try Self.withUsActive("unicast") { lab, rival, watch in
                try lab.network.isolate(rival.host)
                _ = try lab.bench.wait(for: .seconds(3)) { watch.holders.contains("lb2") }
                try #require(watch.holders == ["lb1", "lb2"])
                let heal = try lab.network.heal(rival.host)
                try lab.bench.pass(.seconds(2))
                #expect(watch.holders == ["lb1"], "\(lab.logs(30))\n\(rival.log)")
                #expect(watch.overlap(since: heal.before, until: Clock.now) <= .milliseconds(200))
            }
        }
    }
}
