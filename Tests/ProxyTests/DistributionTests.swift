// How sessions spread over servers while several loops serve: the figures that people's documents promise.

import Balancing
import Configuration
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("Sessions spread")
struct DistributionTests {
    /// Opens sessions and returns how many each server has.
    private func spread(
        _ count: Int, _ weights: [Int], loops: Int, _ change: (inout Configuration.BackendSettings) -> Void
    ) throws -> [Int] {
        let brokers = try weights.map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(
            brokers.map(\.address), loops: loops,
            backend: { settings in
                for (index, weight) in weights.enumerated() { settings.servers[index].weight = weight }
                change(&settings)
            })
        let clients = try (0..<count).map { try rig.session("device-\($0)") }
        let loads = rig.loads
        for client in clients { client.close() }
        rig.finish()
        #expect(brokers.map(\.seen.accepted) == loads)
        return loads
    }

    @Test("10 over three equal servers are 4, 3, 3", arguments: [
        Configuration.BackendSettings.Algorithm.roundRobin, .leastConnections,
    ])
    func ten(_ algorithm: Configuration.BackendSettings.Algorithm) throws {
        #expect(try spread(10, [1, 1, 1], loops: 3) { $0.algorithm = algorithm } == [4, 3, 3])
    }

    @Test("9 over three equal servers are 3, 3, 3", arguments: [
        Configuration.BackendSettings.Algorithm.roundRobin, .leastConnections,
    ])
    func nine(_ algorithm: Configuration.BackendSettings.Algorithm) throws {
        #expect(try spread(9, [1, 1, 1], loops: 3) { $0.algorithm = algorithm } == [3, 3, 3])
    }

    @Test("60 by 3, 2, 1 are 30, 20, 10")
    func sixty() throws {
        #expect(try spread(60, [3, 2, 1], loops: 3) { $0.algorithm = .roundRobin } == [30, 20, 10])
    }

    @Test("100 by 5, 2, 3 are 50, 20, 30")
    func hundred() throws {
        #expect(try spread(100, [5, 2, 3], loops: 2) { $0.algorithm = .roundRobin } == [50, 20, 30])
    }

    @Test("first fills a server to its limit before the next")
    func first() throws {
        let loads = try spread(9, [1, 1, 1], loops: 2) { settings in
            settings.algorithm = .first
            for index in 0..<3 { settings.servers[index].maximumConnections = 4 }
        }
        #expect(loads == [4, 4, 1])
    }

    @Test("what is beyond a server's limit goes to the others: 150 on one of 100 are 100 and 50")
    func overflow() throws {
        let brokers = try (0..<2).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(
            brokers.map(\.address), loops: 2,
            backend: { settings in
                settings.algorithm = .first
                settings.servers[0].maximumConnections = 100
            })
        let clients = try (0..<150).map { try rig.session("device-\($0)") }
        #expect(rig.loads == [100, 50])
        #expect(rig.backend.current.servers[0].overflows == 50)
        // A client that sticks to the full server is let in elsewhere.
        let stuck = try rig.session("device-0")
        #expect(rig.loads == [100, 51])
        for client in clients + [stuck] { client.close() }
        rig.finish()
    }

    @Test("every server full is a refusal in words")
    func full() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], backend: { $0.servers[0].maximumConnections = 2 })
        let clients = try (0..<2).map { try rig.session("device-\($0)") }
        let late = try rig.client()
        try late.send(try connect("late"))
        #expect(try late.receive(4) == refused(3))
        for client in clients + [late] { client.close() }
        rig.finish()
        #expect(rig.count(.noServer) == 1)
    }

    @Test("a source address has one server, whatever its port and loop")
    func source() throws {
        let brokers = try (0..<3).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(
            brokers.map(\.address), loops: 2,
            backend: { settings in
                settings.algorithm = .source
                settings.stickTable = nil
            })
        var homes: Set<Int> = []
        for host in UInt8(1)...20 {
            let before = rig.loads
            let clients = try (0..<4).map { number in
                let from = IPAddress.v4(IPv4Address(127, 0, 1, host))
                let client = Peer(try Socket.connect(rig.address, from: from))
                try client.exchange(try connect("device-\(host)-\(number)"), expecting: accepted())
                return client
            }
            let gained = zip(rig.loads, before).map { $0 - $1 }
            #expect(gained.sorted() == [0, 0, 4], "127.0.1.\(host): \(gained)")
            homes.insert(gained.firstIndex(of: 4) ?? -1)
            for client in clients { client.close() }
            rig.settles()
        }
        #expect(homes == [0, 1, 2])
        rig.finish()
    }

    @Test("who comes back a thousand times from one address finds one server, for each of four addresses")
    func sourceComesBack() throws {
        let brokers = try (0..<3).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(
            brokers.map(\.address), loops: 3,
            backend: { settings in
                settings.algorithm = .source
                settings.stickTable = nil
            })
        for host in UInt8(1)...4 {
            let before = brokers.map(\.seen.accepted)
            for number in 0..<1000 {
                // Closed by a reset: four thousand ports that wait for two minutes are too many.
                let client = Peer(try Socket.connect(rig.address, from: .v4(IPv4Address(127, 0, 2, host))))
                try client.exchange(try connect("device-\(host)-\(number % 7)"), expecting: accepted())
                client.reset()
            }
            let gained = zip(brokers.map(\.seen.accepted), before).map { $0 - $1 }
            #expect(gained.sorted() == [0, 0, 1000], "127.0.2.\(host): \(gained)")
            rig.settles()
        }
        rig.finish()
    }

    /// Made by NGINX itself (`hash $mqtt_preread_clientid consistent`).
    static let vectors = [
        ("mqttx_client1", 0), ("subscriber1", 2), ("device-0001", 0), ("device-0002", 0), ("device-0003", 2),
        (String(repeating: "a", count: 64), 0), ("état", 1),
    ]

    @Test("hash client-id goes where NGINX's ketama goes, through names, loops and real sockets")
    func ketama() throws {
        try Namespace.run {
            let addresses = (1...3).map { IPAddress.v4(IPv4Address(127, 0, 0, 10 + UInt8($0))) }
            let brokers = try addresses.map { try Broker(at: SocketAddress($0, port: 1883)) }
            defer { brokers.forEach { $0.stop() } }
            let names = (1...3).map { "emqx\($0)-cluster.emqx.io" }
            var answers: [String: NameResolver.Answer] = [:]
            for (name, address) in zip(names, addresses) { answers[name] = .init(addresses: [address]) }
            let rig = try Rig(
                brokers.map(\.address), loops: 2,
                backend: { settings in
                    settings.algorithm = .hashClientID()
                    settings.stickTable = nil
                    settings.servers = names.enumerated().map {
                        .init(name: "emqx\($0.offset + 1)", host: .name($0.element, port: 1883))
                    }
                }, answers: answers)
            for (client, server) in Self.vectors {
                let session = try rig.session(client)
                #expect(rig.loads.firstIndex(of: 1) == server, "\(client)")
                session.close()
                rig.settles()
            }
            rig.finish()
        }
    }

    @Test("two failures in all mark a server, not two on each loop")
    func marksOfAllLoops() throws {
        let dead = try Listener(isListening: false)
        let good = try Broker()
        defer { good.stop() }
        let rig = try Rig(
            [dead.address, good.address], loops: 4,
            backend: { settings in
                settings.algorithm = .first
                settings.stickTable = nil
                settings.check.kind = .none
                settings.servers[0].maximumFails = 2
                settings.servers[0].failTimeout = .seconds(600)
            })
        for number in 0..<40 { try rig.session("device-\(number)").close() }
        #expect(rig.loops.count { $0.counters[.accepted] > 0 } > 1, "the kernel gave all to one loop")
        #expect(rig.count(.connectFailed) == 2)
        #expect(rig.backend.current.servers[0].passive.marks == 1)
        #expect(good.seen.accepted == 40)
        rig.settles()
        rig.finish()
    }

    @Test("a marked server is left alone, and its trial ends with a CONNACK")
    func marks() throws {
        let dead = try Listener(isListening: false)
        let good = try Broker()
        defer { good.stop() }
        let rig = try Rig(
            [dead.address, good.address],
            backend: { settings in
                settings.algorithm = .first
                settings.stickTable = nil
                settings.check.kind = .none
                settings.servers[0].maximumFails = 1
                settings.servers[0].failTimeout = .milliseconds(300)
            })
        try rig.session("a").close()
        #expect(rig.count(.connectFailed) == 1)
        #expect(rig.backend.current.servers[0].passive.marks == 1)
        try rig.session("b").close()
        #expect(rig.count(.connectFailed) == 1 || rig.backend.current.servers[0].passive.marks == 2)
        // It comes back: one session tries it, its CONNACK clears the mark.
        Descriptor.close(dead.number)
        let back = try Broker(at: dead.address)
        defer { back.stop() }
        let isCleared = try eventually {
            try rig.session("c").close()
            return rig.backend.current.servers[0].passive.state == .clear(failures: 0, since: .zero)
        }
        #expect(isCleared)
        #expect(back.seen.accepted >= 1)
        rig.finish()
    }
}
