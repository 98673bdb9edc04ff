// A process that is stopped for a while: who was away listens first.

import Control
import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"), .serialized)
struct NetworkStallTests {
    @Test("an active host that was stopped longer than its peer waits gives way when it wakes, once")
    func activeStall() async throws {
        try await VipScene.both { loop, left, right, _ in
            let process = try #require(left.process)
            try process.send(Signals.stop)
            try #require(try loop.waitFor { right.holds(VipScene.address) })
            try process.send(Signals.continue)
            try #require(try loop.waitFor { !left.holds(VipScene.address) })
            try #require(
                try loop.waitFor { (try? left.router()?["why"]?.string?.contains("10.9.0.2 is active")) == true })
            // One switch, and it lasts: the sleeper neither fights nor takes back.
            let sent = try right.counter("advertisements_sent")
            try #require(try loop.waitFor { (try? right.counter("advertisements_sent")) ?? 0 > sent + 10 })
            #expect(try left.counter("stall_yields") == 1)
            #expect(try left.counter("became_active") == 1)
            #expect(try right.counter("became_active") == 1 && right.counter("yields") == 0)
            #expect(right.holds(VipScene.address) && !left.holds(VipScene.address))
        }
    }

    @Test("an active host that was stopped for less than its peer waits goes on")
    func shortStall() async throws {
        // An interval of a second, so that a busy machine is not part of the test.
        try await VipScene.both({ VipPair.configuration(interface: $0, router: "advert-interval 1s") }) {
            loop, left, right, _ in
            let process = try #require(left.process)
            try process.send(Signals.stop)
            try loop.turn(for: .milliseconds(1500))
            try process.send(Signals.continue)
            let sent = try left.counter("advertisements_sent")
            try #require(try loop.waitFor { (try? left.counter("advertisements_sent")) ?? 0 > sent + 2 })
            #expect(try right.counter("became_active") == 0 && left.counter("became_active") == 1)
            #expect(left.holds(VipScene.address) && !right.holds(VipScene.address))
        }
    }

    @Test("a backup that was stopped reads what has arrived before it judges the silence")
    func backupStall() async throws {
        try await VipScene.both { loop, left, right, _ in
            let process = try #require(right.process)
            for _ in 0..<3 {
                try process.send(Signals.stop)
                try loop.turn(for: .milliseconds(700))
                try process.send(Signals.continue)
                let heard = try right.counter("advertisements_received")
                try #require(try loop.waitFor { (try? right.counter("advertisements_received")) ?? 0 > heard + 5 })
            }
            #expect(try right.counter("became_active") == 0 && left.counter("became_active") == 1)
        }
    }

    @Test("a backup that wakes late to a dead peer listens once more, then claims")
    func lateWake() async throws {
        // With a second, no machine is slow enough to let its timer fire between the two signals.
        try await VipScene.both({ VipPair.configuration(interface: $0, router: "advert-interval 1s") }) {
            loop, left, right, _ in
            let sleeper = try #require(right.process)
            try #require(left.process).send(Signals.kill)
            try #require(try loop.waitFor { left.exitStatus != nil })
            try sleeper.send(Signals.stop)
            // Its timer is due after 3.6 s, and more than an interval late when it wakes.
            try loop.turn(for: .seconds(6))
            try sleeper.send(Signals.continue)
            try #require(try loop.waitFor { right.holds(VipScene.address) })
            #expect(try right.counter("late_wakes") == 1)
            #expect(try right.counter("became_active") == 1)
        }
    }

    @Test("a log that nobody reads delays no advert")
    func fullPipe() async throws {
        let pipe = try Pipe.make()
        // Full before the first word, as a pipe is with 64 KiB: whoever writes to it waits for ever.
        try Descriptor.writeAll(pipe.second.number, [UInt8](repeating: 0x20, count: 65_536))
        let (reading, errors) = (pipe.first.number, pipe.second.number)
        try await VipScene.both({ VipPair.configuration(interface: $0) + "\nlog { level debug }\n" }, leftErrors: errors) {
            loop, left, right, _ in
            // Much to be said: an address that goes and comes, and role changes.
            for _ in 1...5 {
                let lost = try left.counter("addresses_lost")
                try shell("ip address del 10.9.0.10/24 dev left")
                try #require(try loop.waitFor { (try? left.counter("addresses_lost")) ?? 0 > lost })
            }
            let sent = try left.counter("advertisements_sent")
            try #require(try loop.waitFor { (try? left.counter("advertisements_sent")) ?? 0 > sent + 20 })
            #expect(try right.counter("became_active") == 0 && left.counter("became_active") == 1)
            // It was really stuck: nothing but what was there came through, then the rest follows.
            let first = try Descriptor.read(reading, limit: 65_536)
            #expect(first.count == 65_536 && first.allSatisfy { $0 == 0x20 })
            try shell("ip address del 10.9.0.10/24 dev left")
            try #require(try loop.waitFor { (try? Descriptor.read(reading, limit: 65_536).isEmpty) == false })
            if let process = left.process { try process.send(Signals.kill) }
        }
        #expect(pipe.first.number == reading)
    }

    @Test("the real-time priority is the configuration's, and follows it")
    func realTime() async throws {
        try await VipScene.alone(.process()) { loop, host, _ in
            let pid = try #require(host.process).pid
            let scheduling = try #require(try host.ask(["command": "status"])?["scheduling"])
            guard scheduling["real_time"] == true else {
                // Said loudly: what is not granted cannot be seen.
                Issue.record("this machine grants no real-time priority: \(scheduling.text)")
                return
            }
            #expect(scheduling["memory_locked"] == true && scheduling["real_time_priority"] == 10)
            try shell("chrt -p \(pid) | grep -q 'SCHED_RR' && chrt -p \(pid) | grep -q 'priority: 10$'")
            for (generation, word, expected) in [
                (2, "realtime-priority off", "SCHED_OTHER"), (3, "realtime-priority 20", "priority: 20$"),
                (4, "realtime-priority 5", "priority: 5$"),
            ] {
                try host.configure(VipPair.configuration(interface: "left") + "\n\(word)\n", generation: UInt64(generation))
                host.commit(generation: UInt64(generation))
                try #require(try loop.waitFor { host.messages.contains(.serving(generation: UInt64(generation))) })
                try shell("chrt -p \(pid) | grep -q '\(expected)'")
            }
            // Its helpers are ordinary, whatever it is.
            try shell("for task in /proc/\(pid)/task/*; do chrt -p ${task##*/}; done | grep -c SCHED_RR | grep -qx 1")
            #expect(try host.counter("became_active") == 1)
        }
    }
}
