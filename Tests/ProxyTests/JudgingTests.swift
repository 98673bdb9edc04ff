// Servers whose time is over only because nobody listened.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

@testable import Proxy

@Suite("A deadline that passed while this host stood still")
struct JudgingTests {
    @Test("is judged in time, or moved")
    func late() {
        let second: Int64 = 1_000_000_000
        #expect(ServerDeadline.extended(second, at: second) == nil)
        #expect(ServerDeadline.extended(second, at: second + ServerDeadline.lateness) == nil)
        let now = second + ServerDeadline.lateness + 1
        #expect(ServerDeadline.extended(second, at: now) == now + ServerDeadline.grace)
        // The next one is judged in time, so it is the last.
        #expect(ServerDeadline.extended(now + ServerDeadline.grace, at: now + ServerDeadline.grace + 50_000_000) == nil)
    }

    @Test("is none for a server whose answer lies in its socket behind more events than a turn takes")
    func answered() throws {
        let server = try Listener()
        let spare = try Broker()
        defer { spare.stop() }
        let timeout = Duration.seconds(3)
        let rig = try Rig(
            [server.address, spare.address],
            backend: {
                $0.check.kind = .none
                $0.algorithm = .first
                $0.connackTimeout = timeout
            })
        rig.backend.report(.administrative(.maintenance), server: 0, at: Clock.now)
        let others = try (0..<Appetite.least * 2).map { try rig.session("other-\($0)") }
        rig.backend.report(.administrative(.ready), server: 0, at: Clock.now)
        let client = try rig.client()
        try client.send(try connect("waiting"))
        let broker = try server.accept()
        _ = try broker.receive(try connect("waiting").count)
        let judged = Clock.now + timeout + .milliseconds(50)
        let blocking = try rig.client()
        let hash = StickTable.HashKey(1, 2).hash(id("blocking").span)
        try rig.table.shard(of: hash).table.withLock { _ in
            // The loop stands where it asks the table for this client.
            try blocking.send(try connect("blocking"))
            try #require(eventually { !rig.loops[0].isAlive(at: Clock.now) })
            for other in others { try other.send([0xC0, 0]) }
            try broker.send(accepted())
            #expect(eventually { Clock.now > judged })
        }
        #expect(try client.receive(4) == accepted())
        #expect(rig.count(.connackTimeout) == 0 && rig.count(.serverDeadlinesLate) == 0)
        #expect(rig.stuck("waiting") == 0)
        for peer in others + [client, blocking] { peer.close() }
        broker.close()
        rig.finish()
    }

    @Test("is none for a check either: it gets its time once more")
    func check() throws {
        let server = try Listener()
        let timeout = Duration.seconds(2)
        let checks = try Checks([server.address]) { check in
            check.timeout = timeout
            check.interval = .seconds(60)
        }
        #expect(try checks.reaches { server.isKnocked(within: 0) })
        let peer = try server.accept()
        #expect(try checks.reaches { peer.happens(POLLIN, within: 0) })
        let judged = Clock.now + timeout + .milliseconds(300)
        #expect(eventually { Clock.now > judged })
        for _ in 0..<5 { try checks.turn() }
        #expect(checks.status == .unchecked && checks.last == nil)
        try peer.send(accepted())
        #expect(try checks.reaches { checks.status == .up })
        peer.close()
    }

    @Test("is none for a check whose answer lies in its socket")
    func answeredCheck() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let timeout = Duration.seconds(2)
        let checks = try Checks([broker.address]) { check in
            check.timeout = timeout
            check.interval = .seconds(60)
        }
        #expect(try checks.reaches { !broker.seen.clientIDs.isEmpty || checks.status == .up })
        let judged = Clock.now + timeout + .milliseconds(300)
        #expect(eventually { Clock.now > judged })
        #expect(try checks.reaches { checks.status != .unchecked })
        #expect(checks.status == .up)
    }
}
