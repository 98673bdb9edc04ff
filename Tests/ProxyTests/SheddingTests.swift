// Closing a server's sessions at a rate, over several loops.

import Balancing
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("Sessions closed at a rate")
struct SheddingTests {
    private static let server = Server.Settings(name: "emqx1", host: "10.0.0.1", port: 1883)

    @Test("are those of one server, whoever has its place later")
    func place() throws {
        var backend = try Backend(
            Backend.Settings(algorithm: .roundRobin, check: nil, servers: [Self.server]), seed: 1, at: .zero)
        let shedding = Shedding(of: backend.servers[0].settings, rate: 10, at: .zero)
        #expect(shedding.isFor(backend.servers[0]))
        var heavier = Self.server
        heavier.weight = 7
        try backend.apply(Backend.Settings(algorithm: .roundRobin, check: nil, servers: [heavier]), seed: 1, at: .zero)
        #expect(shedding.isFor(backend.servers[0]))
        // Removed while it has a session, it is still the same; without one its place is given away.
        backend.sessionStarted(on: 0)
        try backend.apply(Backend.Settings(algorithm: .roundRobin, check: nil, servers: []), seed: 1, at: .zero)
        #expect(shedding.isFor(backend.servers[0]))
        backend.sessionEnded(on: 0)
        var moved = Self.server
        moved.port = 1884
        try backend.apply(Backend.Settings(algorithm: .roundRobin, check: nil, servers: [moved]), seed: 1, at: .zero)
        #expect(backend.servers.count == 1 && !shedding.isFor(backend.servers[0]))
    }

    @Test("are every loop's in turn, also one in a round")
    func turns() {
        var shedding = Shedding(of: Self.server, rate: 10, at: .zero)
        #expect((0..<4).map { _ in shedding.share(1, among: 3).map(\.loop) } == [[0], [1], [2], [0]])
        let parts = shedding.share(7, among: 3)
        #expect(parts.map(\.most) == [3, 3, 1] && Set(parts.map(\.loop)) == [0, 1, 2])
    }

    @Test("are as many as the rate says, and what a loop had none for is not lost")
    func rate() {
        var shedding = Shedding(of: Self.server, rate: 10, at: .zero)
        #expect(shedding.take(most: 100, at: .zero) == 1)
        #expect(shedding.take(most: 100, at: .zero) == 0)
        shedding.unspent.add(1)
        #expect(shedding.take(most: 100, at: .zero) == 1)
        #expect(shedding.take(most: 100, at: .zero + .milliseconds(250)) == 1, "no more than the burst")
        #expect(shedding.take(most: 0, at: .zero + .seconds(9)) == 0)
    }

    @Test("end all of them, on whatever loops they are")
    func all() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 3)
        let clients = try (0..<24).map { try rig.session("c\($0)") }
        let place = ServerPlace(backend: 0, index: 0)
        var shedding = Shedding(of: rig.backend.current.servers[0].settings, rate: 1000, at: Clock.now)
        let isEmpty = eventually {
            let count = shedding.take(most: min(1, rig.loads[0]), at: Clock.now)
            guard count > 0 else { return rig.loads[0] == 0 }
            for (loop, most) in shedding.share(count, among: rig.loops.count) {
                rig.loops[loop].mailbox.post(.shed(server: place, most: most, unspent: shedding.unspent))
            }
            return false
        }
        #expect(isEmpty)
        #expect(rig.count(EndCause.drained) == 24)
        clients.forEach { $0.close() }
        rig.finish()
    }
}
