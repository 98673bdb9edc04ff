// Sessions that end by our will: where, and what the client hears.

import Configuration
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("A session that ends by our will")
struct LeavingTests {
    /// MQTT 5.0, 3.14: DISCONNECT, reason 0x8B, no properties.
    private static let goodbye: [UInt8] = [0xE0, 2, 0x8B, 0]

    /// Peers are made on one thread and used on another, never at once.
    struct Sent: @unchecked Sendable {
        let peer: EdgePeer
        init(_ peer: EdgePeer) { self.peer = peer }
    }

    /// A session with both ends in the test's hands.
    ///
    /// - Parameter answer: to the CONNECT.
    static func pair(
        _ rig: Rig, _ server: Listener, _ combination: Combination, _ version: ProtocolVersion, _ name: String = "leaving",
        answer: [UInt8]? = nil
    ) throws -> (client: EdgePeer, broker: EdgePeer) {
        let packet = try connect(name, version)
        let answer = answer ?? accepted(version)
        let serving = try Worker { () throws -> Sent in
            let wrapping = combination.server
            let broker = try EdgePeer(
                try server.accept(), isClient: false, wrapping.hasTLS ? Certificates.server(wrapping.version) : nil)
            try broker.secure()
            if wrapping.hasWebSocket { _ = try broker.answerUpgrade() }
            #expect(try broker.receive(packet.count) == packet)
            try broker.send(answer)
            return Sent(broker)
        }
        let client = try EdgePeer(to: rig.address, combination.client)
        try client.send(packet)
        #expect(try client.receive(answer.count) == answer)
        return (client, try serving.join().peer)
    }

    static func publish(_ count: Int) -> [UInt8] {
        var packet: [UInt8] = [0x30]
        var rest = count + 3
        repeat {
            packet.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return packet + [0, 1, 0x74] + [UInt8](repeating: 0xE0, count: count)
    }

    @Test(
        "is told in MQTT 5.0 and closed in 3.1.1, in every layer", arguments: Combination.all,
        [ProtocolVersion.v5, .v311])
    func idle(combination: Combination, version: ProtocolVersion) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try Self.pair(rig, server, combination, version)
        try broker.send(Self.publish(300))
        #expect(try client.receive(Self.publish(300).count) == Self.publish(300))
        rig.finishNow()
        if version == .v5 { #expect(try client.receive(4) == Self.goodbye) }
        #expect(try client.receiveToEnd() == [])
        if combination.client.hasWebSocket { #expect(client.controls.last?.closeCode == .goingAway) }
        #expect(client.hasHeardCloseNotify == combination.client.hasTLS)
        client.peer.close()
        broker.peer.close()
        rig.reaches(.shutdown, 1)
        rig.settles()
        #expect(rig.count(.leftTold) == (version == .v5 ? 1 : 0) && rig.count(.leftSilent) == (version == .v5 ? 0 : 1))
    }

    @Test(
        "ends behind the packet it is in the middle of, and not inside the next one", arguments: Combination.all,
        [1, 2, 3, 100])
    func inside(combination: Combination, cut: Int) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try Self.pair(rig, server, combination, .v5)
        let packet = Self.publish(200)
        try broker.send(Array(packet[..<cut]))
        #expect(try client.receive(cut) == Array(packet[..<cut]))
        rig.post(.drain(most: 10))
        rig.barrier()
        // It goes on both ways until its packet is whole.
        try client.send(pingreq)
        #expect(try broker.receive(2) == pingreq)
        #expect(rig.count(.leftTold) == 0)
        // What comes behind is read by nobody: a reset may come back.
        try? broker.send(Array(packet[cut...]) + Self.publish(1000))
        #expect(try client.receive(packet.count - cut + 4) == Array(packet[cut...]) + Self.goodbye)
        #expect(try client.receiveToEnd() == [])
        client.peer.close()
        broker.peer.close()
        rig.reaches(.leftTold, 1)
        rig.finish()
    }

    @Test("ends between two packets in the middle of a torrent", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func torrent(seed: UInt64) throws {
        let server = try Listener()
        let combination = Combination(client: seed % 2 == 0 ? .ws : .tcp, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try Self.pair(rig, server, combination, .v5)
        let sending = try Worker { [peer = Sent(broker)] () throws -> Void in
            var random = SeededGenerator(seed: seed)
            // Until the session is over: the balancer closes its end.
            while true {
                let sizes = [0, 10, 130, 5000, 70_000]
                let packet = Self.publish(sizes[Int.random(in: 0..<sizes.count, using: &random)])
                do { try peer.peer.send(packet) } catch { return }
            }
        }
        var stream = try client.receive(200_000)
        rig.post(.drain(most: 1))
        stream += try client.receiveToEnd()
        try sending.join()
        client.peer.close()
        broker.peer.close()
        #expect(Array(stream.suffix(4)) == Self.goodbye)
        var boundary = PacketBoundary()
        boundary.follow(stream.span, at: 0)
        #expect(boundary.missing(at: UInt64(stream.count)) == 0)
        // The goodbye is a packet of its own.
        var before = PacketBoundary()
        before.follow(stream.span.extracting(0..<stream.count - 4), at: 0)
        #expect(before.missing(at: UInt64(stream.count - 4)) == 0)
        rig.finish()
    }

    @Test("is cut when there is no time left, and what comes meanwhile is closed")
    func deadline() throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(Combination(client: .tcp, server: .tcp), [server.address])
        let (client, broker) = try Self.pair(rig, server, Combination(client: .tcp, server: .tcp), .v5)
        try broker.send([0x30, 100, 0])
        #expect(try client.receive(3) == [0x30, 100, 0])
        rig.post(.drain(most: 1))
        rig.barrier()
        #expect(try rig.client().receiveToEnd().bytes == [])
        #expect(rig.count(.leftCut) == 0)
        rig.post(.cut)
        #expect(try client.receiveToEnd() == [])
        rig.reaches(.leftCut, 1)
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    @Test("is one of so many as were asked for")
    func share() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], loops: 1)
        let clients = try (0..<10).map { try rig.session("device-\($0)", .v5) }
        rig.post(.drain(most: 3))
        rig.reaches(.leftTold, 3)
        rig.barrier()
        #expect(rig.count(.leftTold) == 3)
        rig.post(.drain(most: 100))
        for client in clients { #expect(try client.receiveToEnd().bytes == Self.goodbye) }
        rig.finish()
        #expect(rig.count(.leftTold) == 10)
    }
}
