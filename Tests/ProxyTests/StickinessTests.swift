// A client comes back to the server that holds its session.

import Balancing
import Configuration
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A client that comes back")
struct StickinessTests {
    @Test("finds its server, whatever the algorithm would say", arguments: [1, 2])
    func returns(loops: Int) throws {
        let brokers = try (0..<3).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address), loops: loops)
        var homes: [String: Int] = [:]
        for round in 0..<4 {
            for number in 0..<7 {
                let name = "device-\(number)"
                let client = try rig.session(name)
                let home = try #require(rig.stuck(name))
                #expect(homes[name, default: home] == home, "round \(round)")
                homes[name] = home
                client.close()
                rig.settles()
            }
        }
        #expect(Set(homes.values) == [0, 1, 2])
        for (index, broker) in brokers.enumerated() {
            #expect(broker.seen.clientIDs.allSatisfy { homes[String(decoding: $0, as: UTF8.self)] == index })
        }
        #expect(rig.count(.stickMisses) == 7)
        #expect(rig.count(.stickHits) == 21)
        #expect(rig.count(.stickMoved) == 0)
        rig.finish()
    }

    @Test("Client IDs that differ only in their 60th byte are two clients")
    func prefixes() throws {
        let brokers = try (0..<2).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address))
        let prefix = String(repeating: "p", count: 59)
        let a = try rig.session(prefix + "a")
        let b = try rig.session(prefix + "b")
        #expect(rig.stuck(prefix + "a") == 0)
        #expect(rig.stuck(prefix + "b") == 1)
        a.close()
        b.close()
        rig.settles()
        for _ in 0..<3 {
            try rig.session(prefix + "b").close()
            try rig.session(prefix + "a").close()
            rig.settles()
        }
        #expect(brokers[0].seen.clientIDs.allSatisfy { $0 == id(prefix + "a") })
        #expect(brokers[1].seen.clientIDs.allSatisfy { $0 == id(prefix + "b") })
        rig.finish()
    }

    @Test("An entry is connected for as long as one of its sessions lives")
    func counts() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 2)
        let clients = try (0..<3).map { _ in try rig.session("same") }
        for (remaining, client) in zip([2, 1, 0], clients) {
            #expect(rig.table.entry(id("same"), at: Clock.now)?.connected == remaining + 1)
            client.close()
            #expect(eventually { rig.table.entry(id("same"), at: Clock.now)?.connected == remaining })
        }
        rig.finish()
        #expect(rig.stuck("same") == 0)
    }

    @Test("A client whose server is down moves, and stays where it moved")
    func moves() throws {
        let brokers = try (0..<2).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address))
        try rig.session("wanderer").close()
        rig.settles()
        #expect(rig.stuck("wanderer") == 0)
        brokers[0].become(.close)
        try rig.session("wanderer").close()
        rig.settles()
        #expect(rig.stuck("wanderer") == 1)
        #expect(rig.count(.stickMoved) == 1)
        brokers[0].become(.accept)
        try rig.session("wanderer").close()
        #expect(rig.stuck("wanderer") == 1)
        rig.finish()
    }

    @Test("A client without an ID sticks nowhere, one of 5.0 sticks by the ID it is given")
    func empty() throws {
        let anonymous = try Broker()
        defer { anonymous.stop() }
        let rig = try Rig([anonymous.address])
        let old = try rig.session("")
        #expect(rig.connectedEntries == 0)
        old.close()
        rig.settles()
        var properties = Properties()
        try properties.append(.assignedClientIdentifier, id("auto-4711"))
        let connack = try ConnackDraft(properties: properties).encode(version: .v5)
        anonymous.become(.answer(connack))
        let new = try rig.client()
        try new.exchange(try connect("", .v5), expecting: connack)
        #expect(rig.stuck("auto-4711") == 0)
        #expect(rig.table.entry(id("auto-4711"), at: Clock.now)?.connected == 1)
        new.close()
        rig.finish()
        #expect(rig.count(.stickHits) + rig.count(.stickMisses) == 0)
    }

    @Test("A backend without a stick table serves")
    func without() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], backend: { $0.stickTable = nil })
        let client = try rig.session("free")
        try client.exchange(pingreq, expecting: pingreq)
        client.close()
        rig.finish()
        #expect(rig.stuck("free") == nil)
    }

    @Test("A server that wants to talk about authentication first has accepted nobody yet: what is learned is its CONNACK")
    func authentication() throws {
        let server = try Listener()
        let rig = try Rig([server.address])
        let client = try rig.client()
        var properties = Properties()
        try properties.append(.authenticationMethod, id("SCRAM"))
        let packet = try connect("prover", .v5, properties: properties)
        try client.send(packet)
        let broker = try server.accept()
        #expect(try broker.receive(packet.count) == packet)
        let auth: [UInt8] = [0xF0, 2, 0x18, 0]
        try broker.send(auth)
        #expect(try client.receive(4) == auth)
        try client.send(auth)
        #expect(try broker.receive(4) == auth)
        rig.barrier()
        #expect(rig.stuck("prover") == nil)
        #expect(rig.count(.established) == 0)
        try broker.send(accepted(.v5))
        #expect(try client.receive(5) == accepted(.v5))
        #expect(rig.stuck("prover") == 0)
        #expect(rig.connectedEntries == 1)
        client.close()
        broker.close()
        rig.finish()
        #expect(rig.count(.established) == 1)
        #expect(rig.count(.authentications) == 1)
    }
}
