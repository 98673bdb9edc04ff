// What the main thread asks of running loops.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

@testable import Proxy

@Suite("A command to the loops")
struct CommandTests {
    @Test("sheds no more sessions of a server than asked, and none of another")
    func sheds() throws {
        let brokers = [try Broker(), try Broker()]
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address))
        let clients = try (0..<10).map { try rig.session("device-\($0)") }
        #expect(rig.loads == [5, 5])
        rig.post(.shed(server: ServerPlace(backend: 0, index: 1), most: 2))
        rig.reaches(.drained, 2)
        rig.post(.shed(server: ServerPlace(backend: 0, index: 1), most: 100))
        rig.reaches(.drained, 5)
        #expect(eventually { rig.loads == [5, 0] })
        for (number, client) in clients.enumerated() where number % 2 == 0 {
            try client.exchange(pingreq, expecting: pingreq)
        }
        clients.forEach { $0.close() }
        rig.finish()
        #expect(rig.count(.drained) == 5)
    }

    @Test("takes a server in: new sessions come to it, and those that live stay where they are")
    func addsServer() throws {
        let brokers = [try Broker(), try Broker()]
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig([brokers[0].address], loops: 2)
        let old = try (0..<4).map { try rig.session("old-\($0)") }
        var settings = Configuration.BackendSettings(
            name: "emqx",
            servers: brokers.enumerated().map { Configuration.ServerSettings(name: "emqx\($0)", address: $1.address) })
        settings.stickTable = "sessions"
        settings.algorithm = .leastConnections
        try rig.backend.apply(settings, answers: [:], sources: [], table: rig.table, seed: 1, at: Clock.now)
        let new = try (0..<4).map { try rig.session("new-\($0)") }
        #expect(rig.loads == [4, 4])
        for client in old + new { try client.exchange(pingreq, expecting: pingreq) }
        #expect(brokers[0].seen.clientIDs == (0..<4).map { id("old-\($0)") })
        for client in old + new { client.close() }
        rig.finish()
    }

    @Test("takes listeners in, of IPv4, IPv6 and both: clients of either come, and are known by their address")
    func families() throws {
        let six = IPAddress.v6(IPv6Address(high: 0, low: 1))
        let four = IPAddress.v4(IPv4Address(127, 0, 0, 1))
        let broker = try Broker(at: SocketAddress(six, port: 0))
        defer { broker.stop() }
        let rig = try Rig([broker.address])
        let hosts: [(IPAddress, [IPAddress])] = [
            (six, [six]), (four, [four]), (.v6(IPv6Address(high: 0, low: 0)), [six, four]),
        ]
        let more = try hosts.enumerated().map { number, host in
            try Rig.listen("host-\(number)", loops: 1, number: UInt16(number + 1), at: host.0)
        }
        rig.post(.adopt(Snapshot(listeners: [rig.listener] + more.map(\.0), backends: [rig.backend], tables: [rig.table])))
        rig.barrier()
        for (place, host) in hosts.enumerated() {
            for target in host.1 {
                let client = try Peer(to: SocketAddress(target, port: more[place].1.port))
                try client.exchange(try connect("family"), expecting: accepted())
                try client.exchange(pingreq, expecting: pingreq)
                #expect(try rig.listing().map(\.peer.address) == [target])
                client.close()
                #expect(eventually { rig.gauge(.sessions) == 0 })
            }
        }
        rig.finish()
    }

    @Test("leaves an address: its sessions end, what comes is closed, until it resumes")
    func leaves() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 2)
        let clients = try (0..<6).map { try rig.session("device-\($0)") }
        let waiting = try rig.client()
        #expect(eventually { rig.count(.accepted) == 7 })
        rig.post(.leave([.v4(IPv4Address(127, 0, 0, 9))], refusing: true))
        for client in clients { try client.exchange(pingreq, expecting: pingreq) }
        rig.post(.leave([rig.address.address], refusing: true))
        for client in clients + [waiting] { #expect(try client.receiveToEnd().bytes == []) }
        rig.reaches(.steppedDown, 7)
        #expect(try rig.client().receiveToEnd().bytes == [])
        rig.reaches(.steppedDown, 8)
        rig.post(.resume)
        rig.barrier()
        try rig.session("back").close()
        rig.settles()
        // Without refusing, only the sessions that are there end.
        let last = try rig.session("last")
        rig.post(.leave([rig.address.address], refusing: false))
        #expect(try last.receiveToEnd().bytes == [])
        rig.barrier()
        try rig.session("at once").close()
        rig.finish()
    }

    @Test("lists established sessions and no others")
    func lists() throws {
        let brokers = [try Broker(), try Broker()]
        defer { brokers.forEach { $0.stop() } }
        let rig = try Rig(brokers.map(\.address), loops: 2, capacity: 1024)
        let long = String(repeating: "x", count: 300)
        let clients = try (0..<600).map { try rig.session("device-\($0)-\(long)", .v5, keepAlive: 30) }
        let waiting = try rig.client()
        for client in clients { try client.send(pingreq) }
        for client in clients { _ = try client.receive(2) }
        let isDone = Gauge()
        let listing = SessionListing(loops: 2) { isDone.add(1) }
        rig.post(.list(listing))
        #expect(eventually { isDone.value == 1 })
        let sessions = listing.sessions
        #expect(Set(sessions.map { String(decoding: $0.clientID, as: UTF8.self) }).count == 600)
        #expect(sessions.count == 600)
        #expect(sessions.allSatisfy { $0.clientID.count >= 300 && $0.level == 5 && $0.keepAlive == 30 })
        #expect(sessions.allSatisfy { $0.bytesDown == 7 && $0.bytesUp > 300 })
        #expect(sessions.allSatisfy { $0.peer.address == rig.address.address && $0.peer.port != rig.address.port })
        #expect(sessions.filter { $0.server.index == 0 }.count == 300)
        #expect(Set(sessions.map(\.peer.port)).count == 600)
        clients.forEach { $0.close() }
        waiting.close()
        rig.finish()
    }

    @Test("stops: every session ends, before a listing that was asked for goes on, which is answered all the same")
    func stops() throws {
        let broker = try Broker()
        defer { broker.stop() }
        for count in [0, 20] {
            let rig = try Rig([broker.address], loops: 2)
            let clients = try (0..<count).map { try rig.session("device-\($0)") }
            let isDone = Gauge()
            let listing = SessionListing(loops: 2) { isDone.add(1) }
            rig.post(.list(listing))
            rig.finishNow()
            for client in clients { #expect(try client.receiveToEnd().bytes == []) }
            #expect(eventually { isDone.value == 1 })
            // With what was looked at before the order came.
            #expect(listing.sessions.count <= count)
            rig.settles()
            #expect(rig.count(.shutdown) == UInt64(count))
        }
    }

    @Test("adopts a configuration: a removed listener keeps its sessions, a new one accepts")
    func adopts() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 2)
        let old = try rig.session("old")
        let (added, address) = try Rig.listen("added", loops: 2, number: 1)
        rig.post(.adopt(Snapshot(listeners: [rig.listener.inactive, added], backends: [rig.backend], tables: [rig.table])))
        let new = try Peer(to: address)
        try new.exchange(try connect("new"), expecting: accepted())
        for client in [old, new] { try client.exchange(pingreq, expecting: pingreq) }
        #expect(rig.listener.sessions.value == 1 && added.sessions.value == 1)
        // What comes to the old address now waits in the kernel's queue.
        rig.barrier()
        let late = try rig.client()
        try late.send(try connect("late"))
        #expect(!late.happens(POLLIN, within: 100))
        rig.post(.adopt(Snapshot(listeners: [rig.listener, added], backends: [rig.backend], tables: [rig.table])))
        #expect(try late.receive(4) == accepted())
        for client in [old, new, late] { client.close() }
        #expect(eventually { added.sessions.value == 0 })
        rig.finish()
    }

    @Test("A loop beats while it has nothing to do, and while it has much")
    func beats() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address])
        let before = rig.loops[0].pulse.last
        #expect(eventually { rig.loops[0].pulse.last > before + 3 * Loop.longestWait })
        rig.finish()
    }
}
