// Streams of TLS that are cut or broken: the other side is not told that they ended in order.

import Configuration
import Glibc
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("A stream that is cut")
struct EdgeCuttingTests {
    /// Both sides with TLS, so that both can be cut and both can tell.
    private static let combinations = Configuration.RecordLayerChoice.allCases.flatMap { records in
        [Wrapping.tls12, .tls13, .wss].flatMap { client in
            [Wrapping.tls13, .wss].map { Combination(client: client, server: $0, records: records) }
        }
    }

    @Test("is cut for the other side: TLS without close_notify, a WebSocket with 1011", arguments: combinations, [true, false])
    func truncated(combination: Combination, isClient: Bool) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v311)
        let (first, second) = isClient ? (client, broker) : (broker, client)
        try first.send(id("before"))
        first.peer.shutdown()
        #expect(try second.receiveToEnd() == id("before"))
        let wrapping = isClient ? combination.server : combination.client
        if wrapping.hasWebSocket {
            #expect(second.controls.map(\.closeCode) == [.internalError])
        } else {
            #expect(!second.hasHeardCloseNotify)
        }
        #expect(rig.count(.tlsTruncated) == 1)
        try second.finish()
        _ = try? first.receiveToEnd()
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    @Test("by a server's violation has no close_notify for the client", arguments: [Wrapping.tls12, .tls13, .wss])
    func violation(wrapping: Wrapping) throws {
        let combination = Combination(client: wrapping, server: .tls13)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v311)
        let genuine = try broker.sealed(id("genuine"))
        // The alert may be there before all is sent.
        try? broker.sendBelow(genuine + [23, 3, 3, 0, 40] + [UInt8](repeating: 0x5A, count: 40))
        #expect(try client.receiveToEnd() == id("genuine"))
        #expect(client.hasHeardCloseNotify == wrapping.hasWebSocket)
        #expect(client.controls.map(\.closeCode) == (wrapping.hasWebSocket ? [.internalError] : []))
        client.peer.close()
        broker.peer.close()
        rig.reaches(.serverTLS, 1)
        rig.finish()
        #expect(rig.count(RecordViolation.badRecordMAC) == 1)
    }

    @Test(
        "is passed on up to the bad record, though both came at once", arguments: [Wrapping.tls12, .tls13],
        Configuration.RecordLayerChoice.allCases)
    func beforeBadRecord(wrapping: Wrapping, records: Configuration.RecordLayerChoice) throws {
        let combination = Combination(client: wrapping, server: .tcp, records: records)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v311)
        var genuine: [UInt8] = []
        for _ in 0..<3 { genuine += try client.sealed(id("genuine ")) }
        #expect(throws: TLSError(.refused, "sslv3 alert bad record mac")) {
            try client.sendBelow(genuine + [23, 3, 3, 0, 40] + [UInt8](repeating: 0x5A, count: 40))
            _ = try client.receiveToEnd()
        }
        #expect(try broker.receiveToEnd() == id("genuine genuine genuine "))
        rig.reaches(.clientTLS, 1)
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    /// A rig of protocol `tcp` with TLS on one side.
    private func opaque(_ server: Listener, isClient: Bool) throws -> Rig {
        try Rig(
            [server.address], tls: isClient ? Certificates.server() : nil, serverTLS: isClient ? nil : Certificates.client(),
            listener: { $0.protocol = .tcp })
    }

    /// The ends of a session of protocol `tcp`: the one with TLS, and the other.
    private func ends(_ rig: Rig, _ server: Listener, isClient: Bool) throws -> (secured: EdgePeer, plain: Peer) {
        if isClient {
            let secured = try EdgePeer(to: rig.address, .tls13)
            // Its last flight.
            try secured.sendBelow([])
            return (secured, try server.accept())
        }
        let plain = try rig.client()
        let secured = try EdgePeer(try server.accept(), isClient: false, try Certificates.server(13))
        try secured.secure()
        return (secured, plain)
    }

    /// What comes up to the end, and whether that is a reset.
    private func heard(_ peer: Peer) throws -> (bytes: [UInt8], isReset: Bool) {
        var bytes: [UInt8] = []
        do {
            while true {
                let some = try peer.receiveSome()
                if some.isEmpty { return (bytes, false) }
                bytes += some
            }
        } catch let error as Errno where error.code == ECONNRESET { return (bytes, true) }
    }

    @Test("that nobody looks into is reset for a side without TLS, behind what was there", arguments: [true, false], [true, false])
    func opaqueCut(isClient: Bool, isCut: Bool) throws {
        let server = try Listener()
        let rig = try opaque(server, isClient: isClient)
        let (secured, plain) = try ends(rig, server, isClient: isClient)
        try secured.send(id("half of it"))
        if isCut { secured.peer.shutdown() } else { try secured.finish() }
        let (bytes, isReset) = try heard(plain)
        #expect(bytes == id("half of it"))
        #expect(isReset == isCut)
        plain.close()
        _ = try? secured.receiveToEnd()
        secured.peer.close()
        rig.finish()
        #expect(rig.count(.tlsTruncated) == (isCut ? 1 : 0))
    }

    @Test("that nobody looks into still hears the answer of the other side")
    func answered() throws {
        let server = try Listener()
        let rig = try opaque(server, isClient: true)
        let (secured, plain) = try ends(rig, server, isClient: true)
        try secured.send(id("question"))
        secured.peer.shutdown()
        #expect(try plain.receive(8) == id("question"))
        try plain.send(id("answer"))
        #expect(try secured.receive(6) == id("answer"))
        plain.shutdown()
        #expect(try secured.receiveToEnd() == [])
        #expect(secured.hasHeardCloseNotify)
        plain.close()
        secured.peer.close()
        rig.finish()
    }

    @Test("by a violation is reset for a side without TLS", arguments: [true, false])
    func opaqueViolation(isClient: Bool) throws {
        let server = try Listener()
        let rig = try opaque(server, isClient: isClient)
        let (secured, plain) = try ends(rig, server, isClient: isClient)
        try secured.send(id("half of it"))
        #expect(try plain.receive(10) == id("half of it"))
        try? secured.sendBelow([23, 3, 3, 0, 40] + [UInt8](repeating: 0x5A, count: 40))
        let (bytes, isReset) = try heard(plain)
        #expect(bytes == [] && isReset)
        plain.close()
        secured.peer.close()
        rig.finish()
    }
}
