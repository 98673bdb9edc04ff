// What happens at every limit.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("At a limit")
struct LimitTests {
    @Test("the listener's maximum closes what is beyond, until somebody leaves")
    func listener() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], loops: 1,
            listener: {
                $0.maximumSessions = 3
                $0.admission.refusesSilently = true
            })
        let clients = try (0..<3).map { try rig.session("device-\($0)") }
        #expect(try rig.client().receiveToEnd().bytes == [])
        #expect(rig.count(.limitListener) == 1)
        clients[0].close()
        #expect(eventually { rig.listener.sessions.value == 2 })
        let next = try rig.session("next")
        for client in clients[1...] + [next] {
            try client.exchange(pingreq, expecting: pingreq)
            client.close()
        }
        rig.finish()
    }

    @Test("a full arena closes what is beyond, until somebody leaves")
    func arena() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], capacity: 3)
        let clients = try (0..<3).map { try rig.session("device-\($0)") }
        for _ in 0..<5 { #expect(try rig.client().receiveToEnd().bytes == []) }
        #expect(rig.count(.limitSessions) == 5)
        clients[1].close()
        #expect(eventually { rig.gauge(.sessions) == 2 })
        let next = try rig.session("next")
        for client in [clients[0], clients[2], next] {
            try client.exchange(pingreq, expecting: pingreq)
            client.close()
        }
        rig.finish()
    }

    @Test("no room for a client ID is a refusal in words", arguments: [ProtocolVersion.v311, .v5])
    func keys(version: ProtocolVersion) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], capacity: 2)
        let client = try rig.client()
        try client.send(try connect(String(repeating: "k", count: 5000), version))
        #expect(try client.receiveToEnd() == (refused(version == .v5 ? 0x89 : 3, version), .closed))
        client.close()
        rig.reaches(.limitClientIDs, 1)
        try rig.session(String(repeating: "k", count: 400)).close()
        rig.finish()
        #expect(broker.seen.accepted == 1)
    }

    @Test("without a descriptor to accept with, clients wait in the kernel and are served later")
    func acceptWithoutDescriptors() async {
        await #expect(processExitsWith: .success) {
            let broker = try Broker()
            let rig = try Rig([broker.address])
            let held = try rig.session("held")
            let late = try Unconnected()
            try late.connect(rig.address, withFree: 0)
            try #require(eventually { rig.count(.acceptRefusedByKernel) >= 1 })
            try held.exchange(pingreq, expecting: pingreq)
            try #require(!late.peer.happens(POLLIN, within: 50))
            Descriptors.allow()
            try late.peer.exchange(try connect("late"), expecting: accepted())
            late.peer.close()
            held.close()
            rig.finish()
        }
    }

    @Test("without a descriptor to connect with, the client is refused and no server is blamed")
    func connectWithoutDescriptors() async {
        await #expect(processExitsWith: .success) {
            let broker = try Broker()
            let rig = try Rig([broker.address])
            try rig.session("first").close()
            rig.settles()
            try #require(eventually { broker.seen.open == 0 })
            let late = try Unconnected()
            try late.connect(rig.address, withFree: 1)
            try late.peer.send(try connect("late"))
            let answer = try late.peer.receive(4)
            try #require(answer == refused(3))
            Descriptors.allow()
            try #require(rig.count(.connectRefusedByKernel) == 1)
            try #require(rig.count(.connectFailed) == 0)
            try #require(rig.backend.current.servers[0].health.status == .unchecked)
            late.peer.close()
            rig.finish()
        }
    }
}

/// The process's bound on descriptors.
enum Descriptors {
    /// Lets `count` more descriptors be opened and no further ones.
    static func leave(_ count: Int) throws {
        var probes: [Int32] = []
        for _ in 0...count { probes.append(try check("dup") { dup(0) }) }
        probes.forEach { Descriptor.close($0) }
        // The lowest numbers are given out first: the last probe is the first that must fail.
        try set(rlim_t(probes[count]))
    }

    static func allow() { try? set(20_000) }

    private static func set(_ current: rlim_t) throws {
        var limit = rlimit()
        // Sound: the structure lives on the stack for the duration of both calls.
        try check("getrlimit") { unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        limit.rlim_cur = min(current, limit.rlim_max)
        try check("setrlimit") { unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
    }
}

/// A socket made while there were descriptors, to be connected when there are none.
struct Unconnected {
    let peer: Peer

    init() throws {
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        peer = Peer(FileDescriptor(owning: try check("socket") { socket(AF_INET, flags, 0) }))
    }

    func connect(_ address: SocketAddress, withFree count: Int) throws {
        var (storage, length) = address.storage
        try Descriptors.leave(count)
        // Sound: the address lives on the stack for the duration of the call, and is at least a sockaddr.
        unsafe withUnsafePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe Glibc.connect(peer.number, $0, length)
            }
        }
        guard peer.happens(POLLOUT, within: Peer.patience) else { throw Peer.Failure.timeout("connect") }
    }
}
