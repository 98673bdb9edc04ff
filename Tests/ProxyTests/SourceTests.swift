// Source addresses against a kernel with few ports.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Replication
import Testing
import Wire

@testable import Proxy

@Suite("Source addresses")
struct SourceTests {
    /// An even number: of an odd one the kernel leaves out one when it looks for a free port (inet_hashtables.c, from where it begins).
    private static let fewPorts = "sysctl -q -w net.ipv4.ip_local_port_range='40000 40009'"

    private static func source(_ last: UInt8) -> SourcePool.Settings { .init(address: .v4(IPv4Address(127, 0, 0, last))) }

    /// A client from an address of its own: ten ports are few for clients too.
    private static func session(_ rig: Rig, _ number: Int) throws -> Peer {
        let from = IPAddress.v4(IPv4Address(127, 0, 3, UInt8(number + 1)))
        let client = Peer(try Socket.connect(rig.address, from: from))
        try client.send(try connect("device-\(number)"))
        return client
    }

    @Test("one server holds more sessions than one address has ports; before they run out there is a warning")
    func ports() throws {
        try Namespace.run(Self.fewPorts) {
            #expect(LocalPorts.count == 10)
            let broker = try Broker(at: SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 1883))
            defer { broker.stop() }
            let rig = try Rig([broker.address], loops: 2, sources: [Self.source(21), Self.source(22)])
            var clients: [Peer] = []
            // One of the ten is the test's own listener's.
            for number in 0..<18 {
                let client = try Self.session(rig, number)
                #expect(try client.receive(4) == accepted(), "\(number)")
                clients.append(client)
                if number == 13 { #expect(rig.backend.fetchShortages().isEmpty) }
                if number == 15 { #expect(rig.backend.fetchShortages().map(\.used) == [8, 8]) }
            }
            #expect(rig.loads == [18])
            let late = try Self.session(rig, 18)
            #expect(try late.receive(4) == refused(3))
            #expect(rig.count(.sourcePortsExhausted) >= 2)
            #expect(rig.count(.connectFailed) == 0)
            #expect(rig.backend.current.servers[0].health.status == .unchecked)
            clients[0].close()
            #expect(eventually { rig.loads == [17] })
            for client in clients + [late] { client.close() }
            rig.finish()
            #expect(rig.backend.sources.listing.map(\.used) == [0, 0])
        }
    }

    @Test("where others took a source's ports, the kernel says so and the next source serves")
    func taken() throws {
        try Namespace.run(Self.fewPorts) {
            let broker = try Broker(at: SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 1883))
            defer { broker.stop() }
            let thieves = try (0..<10).map { _ in
                Peer(try Socket.connect(broker.address, from: .v4(IPv4Address(127, 0, 0, 21))))
            }
            let rig = try Rig([broker.address], sources: [Self.source(21), Self.source(22)])
            var clients: [Peer] = []
            for number in 0..<6 {
                let client = try Self.session(rig, number)
                #expect(try client.receive(4) == accepted(), "\(number)")
                clients.append(client)
            }
            #expect(rig.count(.sourcePortsExhausted) >= 1)
            #expect(rig.backend.sources.exhaustions >= 1)
            #expect(rig.backend.sources.listing.map(\.used) == [0, 6])
            #expect(rig.backend.fetchShortages().map(\.address) == [Self.source(21).address])
            for client in clients + thieves { client.close() }
            rig.finish()
        }
    }

    @Test("the server sees the source, by share")
    func shares() throws {
        let server = try Listener()
        let sources: [SourcePool.Settings] = [
            .init(address: .v4(IPv4Address(127, 0, 0, 31)), share: 10_000), .init(address: nil),
        ]
        let rig = try Rig([server.address], sources: sources)
        let client = try rig.client()
        try client.send(try connect("x"))
        #expect(server.isKnocked(within: Peer.patience))
        guard let arrival = try Socket.accept(server.number) else { throw Peer.Failure.timeout("accept") }
        #expect(arrival.address?.address == .v4(IPv4Address(127, 0, 0, 31)))
        let broker = Peer(arrival.take())
        #expect(rig.backend.sources.listing.map(\.used) == [1, 0])
        try broker.send(accepted())
        #expect(try client.receive(4) == accepted())
        client.close()
        broker.close()
        rig.finish()
    }

    @Test("the file allows no more sources than there are places for them")
    func room() {
        #expect(Configuration.maximumSources == SourcePool.maximumSources)
        #expect(Configuration.maximumReplicatedTables == LinkLimit.tables)
        #expect(Configuration.maximumLinkedRouters == RouterReport.maximum)
        let most = (0..<UInt8(64)).map { Self.source($0) }
        var pool = SourcePool(most, ports: 10)
        #expect(pool.choose(server: 0, family: .ipv4, hash: 0) == 0)
    }

    @Test("a check comes from the first source that is here; without any, from where the kernel chooses")
    func checks() throws {
        let absent = SourcePool.Settings(address: .v4(IPv4Address(203, 0, 113, 9)))
        let server = try Listener()
        for (sources, from) in [
            ([absent], IPv4Address(127, 0, 0, 1)), ([absent, Self.source(41)], IPv4Address(127, 0, 0, 41)),
            ([Self.source(42), Self.source(41)], IPv4Address(127, 0, 0, 42)),
        ] {
            let checks = try Checks([server.address], sources: sources) { check in
                check.kind = .tcp
                check.interval = .seconds(60)
            }
            #expect(try checks.reaches { checks.status == .up })
            #expect(checks.backend.current.isSettled && checks.backend.current.servers[0].checksSkipped == 0)
            guard let arrival = try Socket.accept(server.number) else { throw Peer.Failure.timeout("accept") }
            #expect(arrival.address?.address == .v4(from))
        }
    }

    @Test("checks that cannot be made settle the host, are counted, and told once")
    func skipped() throws {
        try Namespace.run("sysctl -q -w net.ipv4.ip_local_port_range='40000 40000'") {
            let server = try Listener(at: SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 1883))
            // The one port there is belongs to somebody else.
            let thief = Peer(try Socket.connect(server.address))
            #expect(thief.happens(POLLOUT, within: Peer.patience))
            let checks = try Checks([server.address]) { $0.kind = .tcp }
            #expect(!checks.backend.current.isSettled)
            #expect(try checks.reaches { checks.backend.current.isSettled })
            let known = checks.backend.current.servers[0]
            #expect(known.health.status == .unchecked && !known.isReachable && known.checksSkipped >= 3)
            #expect(checks.told.count == 1 && checks.told[0].contains("Cannot assign requested address"))
            thief.close()
        }
    }

    @Test("a source this host does not have is refused before anything is changed")
    func absent() throws {
        let registry = Registry(
            node: 1, hashKey: StickTable.HashKey(1, 2), resolver: try NameResolver {}, checksMoved: {},
            tablesChanged: {})
        var backend = Configuration.BackendSettings(name: "b", servers: [])
        backend.sources = [.init(address: .v4(IPv4Address(203, 0, 113, 9)), node: "lb2")]
        var configuration = Configuration()
        configuration.backends = [backend]
        configuration.node = "lb1"
        _ = try registry.prepare(configuration, loops: 1) { _ in nil }
        configuration.node = "lb2"
        do {
            _ = try registry.prepare(configuration, loops: 1) { _ in nil }
            Issue.record("prepared")
        } catch {
            #expect(error.reason == "backend b: this host does not have the source address 203.0.113.9")
        }
    }
}
