// Keys of TLS 1.2 that have sealed as much as they may: there are no new ones, so their session ends, in order.

import Configuration
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("A session of TLS 1.2 whose keys are spent")
struct EdgeRetirementTests {
    /// Records under one key; the last quarter is for the packet that is under way.
    private static let limit: UInt64 = 64
    private static let pingresp: [UInt8] = [0xD0, 0]

    @Test(
        "ends between two packets, with everything delivered and a word for why",
        arguments: [Combination(client: .tls12, server: .tcp), Combination(client: .tcp, server: .tls12), Combination(client: .tls12, server: .tls12)])
    func between(combination: Combination) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address], recordLimit: Self.limit)
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5)
        var count = 0
        var answer = Self.pingresp
        while answer == Self.pingresp, count < 200 {
            try client.send(pingreq)
            // A ping that finds the session ended is not answered.
            if let heard = try? broker.receive(2), heard == pingreq { try? broker.send(Self.pingresp) }
            answer = try client.receive(2)
            count += 1
        }
        // DISCONNECT, 0x8B: server shutting down.
        #expect(answer[0] == 0xE0)
        #expect(try client.receiveToEnd().first == 0x8B)
        #expect(client.hasHeardCloseNotify == combination.client.hasTLS)
        #expect((40...50).contains(count), "\(count)")
        client.peer.close()
        broker.peer.close()
        rig.reaches(.keysSpent, 1)
        rig.finish()
        #expect(rig.count(.leftTold) == 1)
    }

    @Test("ends at the limit inside a packet, and says so", arguments: [Combination(client: .tls12, server: .tcp), Combination(client: .tcp, server: .tls12)])
    func inside(combination: Combination) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address], recordLimit: Self.limit)
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5)
        let isDown = combination.client.hasTLS
        let (source, destination) = isDown ? (broker, client) : (client, broker)
        // A server is never left inside its client's packet, as long as its keys do; a client is given its packet to the end.
        let packet = LeavingTests.publish(4000)
        var count = 0
        if !isDown { try broker.send(Array(packet.prefix(5))) }
        if !isDown { #expect(try client.receive(5) == Array(packet.prefix(5))) }
        while count < 200 {
            try? source.send([packet[count]])
            guard let heard = try? destination.receive(1) else { break }
            #expect(heard == [packet[count]])
            count += 1
        }
        #expect((60...66).contains(count), "\(count)")
        #expect(destination.isEnded && destination.hasHeardCloseNotify)
        client.peer.close()
        broker.peer.close()
        rig.reaches(.keysSpent, 1)
        rig.finish()
    }

    @Test("ends over a WebSocket, too, when it answers nothing but pings inside a packet")
    func pings() throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(Combination(client: .wss, server: .tcp), [server.address], recordLimit: Self.limit)
        let packet = try connect("pings")
        let serving = try Worker { () throws -> Sent in Sent(peer: try EdgeTests.serve(server, .tcp, packet)) }
        let client = try EdgePeer(try Peer(to: rig.address), isClient: true, try Certificates.client(12))
        try client.secure()
        try client.upgrade("/mqtt")
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        let broker = try serving.join().peer
        try broker.send(Array(LeavingTests.publish(4000).prefix(10)))
        #expect(try client.receive(10).count == 10)
        var count = 0
        while !client.isEnded, count < 200 {
            try? client.sendRaw(Frame.encode(.ping, [1], mask: 0x0102_0304))
            while client.pongs <= count, !client.isEnded { try client.turn() }
            count += 1
        }
        #expect((50...66).contains(count), "\(count)")
        #expect(client.controls.map(\.opcode) == [.close] && client.controls.first?.closeCode == .goingAway)
        #expect(client.hasHeardCloseNotify)
        client.peer.close()
        broker.peer.close()
        rig.reaches(.keysSpent, 1)
        rig.finish()
    }

    @Test("ends with an alert where nobody knows whether anything is missing")
    func opaque() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address], recordLimit: Self.limit, tls: Certificates.server(),
            listener: { $0.protocol = .tcp })
        let client = try EdgePeer(to: rig.address, .tls12)
        let broker = try server.accept()
        var count = 0
        #expect(throws: TLSError(.refused, "tlsv1 alert internal error")) {
            while count < 200 {
                try broker.send([UInt8(count)])
                #expect(try client.receive(1) == [UInt8(count)])
                count += 1
            }
        }
        #expect((60...66).contains(count), "\(count)")
        client.peer.close()
        // Its stream was cut, not ended.
        #expect(throws: Errno.self) { while true { _ = try broker.receive(1) } }
        broker.close()
        rig.reaches(.keysSpent, 1)
        rig.finish()
    }

    /// Peers are made on one thread and used on another, never at once.
    private struct Sent: @unchecked Sendable {
        let peer: EdgePeer
    }
}
