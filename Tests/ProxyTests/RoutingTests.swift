// Clients of one listener in several backends, by the rules of the file.

import Balancing
import Configuration
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("Rules of a listener")
struct RoutingTests {
    @Test("the first that fits takes the client, over real sockets")
    func rules() throws {
        let brokers = try (0..<3).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let others = try (1...2).map { number in
            try BackendRuntime(
                number: UInt32(number),
                settings: .init(name: "b\(number)", servers: [.init(name: "s", address: brokers[number].address)]),
                table: nil, seed: 1, at: Clock.now, checksMoved: {})
        }
        var listener = Configuration.ListenerSettings(name: "mqtt", binds: [], backend: "b0")
        listener.routes = [
            .init(backend: "b1", condition: .clientID("probe/")),
            .init(backend: "b2", condition: .username("fleet-*")),
        ]
        let translated = RouteTable.translate(listener, otherwise: 0) { ["b0": 0, "b1": 1, "b2": 2][$0] }
        let routes: RouteTable = try #require(translated)
        let rig = try Rig([brokers[0].address], loops: 2, others: others, routes: routes)
        for (client, user, home) in [
            ("x", "", 0), ("probe/1", "", 1), ("probe/2", "fleet-1", 1), ("x", "fleet-1", 2), ("x", "flee", 0),
        ] {
            let before = brokers.map(\.seen.accepted)
            var draft = ConnectDraft(version: .v311, clientID: id(client))
            if !user.isEmpty { draft.username = id(user) }
            let peer = try rig.client()
            try peer.exchange(try draft.encode(), expecting: accepted())
            let gained = zip(brokers.map(\.seen.accepted), before).map { $0 - $1 }
            #expect(gained.firstIndex(of: 1) == home, "\(client) \(user): \(gained)")
            peer.close()
        }
        rig.settles()
        #expect(others.allSatisfy { $0.current.servers[0].connections == 0 })
        rig.finish()
    }
}
