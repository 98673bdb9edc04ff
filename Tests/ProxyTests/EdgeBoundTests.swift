// What small records cost: a handshake, and a stream, in records of one byte each.

import Configuration
import Linux
import MQTT
import TLS
import Testing
import Wire

@testable import Proxy

@Suite("Records of one byte")
struct EdgeBoundTests {
    /// A message of a handshake with each byte in a record of its own (RFC 8446, 5.1 lets messages be cut anywhere).
    private static func cut(_ message: [UInt8]) -> [UInt8] { message.flatMap { [22, 3, 1, 0, 1, $0] } }

    @Test("A handshake goes on over many turns when a turn has time for a few records of it only", arguments: [Wrapping.tls12, .tls13])
    func handshake(wrapping: Wrapping) throws {
        let server = try Listener()
        // The clock is looked at every 16 records, and each time the turn is over.
        let rig = try Rig([server.address], handshakeShare: 1, tls: Certificates.server())
        let packet = try connect("small")
        let serving = try Worker { () throws -> Void in
            let broker = try EdgeTests.serve(server, .tcp, packet)
            #expect(try broker.receiveToEnd() == [])
            broker.peer.close()
        }
        let client = try EdgePeer(try Peer(to: rig.address), isClient: true, try Certificates.client(wrapping.version))
        let hello = try #require(client.tls?.takeCiphertext(limit: 65_536))
        let message = Array(hello.dropFirst(5))
        try client.peer.send(Self.cut(message))
        try client.secure()
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        try client.finish()
        try serving.join()
        _ = try? client.receiveToEnd()
        client.peer.close()
        rig.finish()
        #expect(rig.count(.handshakes) == 1 && rig.count(.handshakesFailed) == 0)
        // It may have come in several pieces, each with a step of its own.
        #expect(rig.count(.handshakesPostponed) >= UInt64(message.count / 16 / 2), "\(message.count) records")
    }

    @Test("A handshake that never ends is ended, by its records or by its bytes", arguments: [1, 500])
    func endless(size: Int) throws {
        let server = try Listener()
        let rig = try Rig([server.address], tls: Certificates.server())
        let client = try rig.client()
        // A ClientHello of as many bytes as the library takes (131,396), whose extensions never end.
        var message: [UInt8] = [1, 2, 0, 0, 3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0, 0xFF, 0xFF]
        message += [UInt8](repeating: 0, count: 131_000 - message.count)
        var records: [UInt8] = []
        for start in stride(from: 0, to: size == 1 ? 3000 : message.count, by: size) {
            let piece = message[start..<min(start + size, message.count)]
            records += [22, 3, 1, UInt8(piece.count >> 8), UInt8(piece.count & 0xFF)] + piece
        }
        // It may end before everything is sent.
        try? client.send(records)
        _ = try? client.receiveToEnd()
        rig.reaches(.limitHandshake, 1)
        rig.reaches(.handshakesFailed, 1)
        client.close()
        rig.finish()
        #expect(rig.count(.clientTLS) == 1 && rig.count(.handshakes) == 0)
    }

    @Test("A stream passes exactly, in steps of so many records", arguments: [Wrapping.tls12, .tls13], Configuration.RecordLayerChoice.allCases)
    func stream(wrapping: Wrapping, records: Configuration.RecordLayerChoice) throws {
        let combination = Combination(client: wrapping, server: .tcp, records: records)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let packet = try connect("small")
        let count = 12_000
        let pattern = Pattern(seed: 5)
        let broker = try Worker { () throws -> Int in
            let broker = try EdgeTests.serve(server, .tcp, packet)
            let received = try broker.exchange(pattern, 0, pattern, count)
            #expect(try broker.receiveToEnd() == [])
            try broker.finish()
            return received
        }
        let client = try EdgePeer(to: rig.address, wrapping)
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += pattern.bytes(at: bytes.count, most: count - bytes.count) }
        var sealed: [UInt8] = []
        for byte in bytes { sealed += try client.sealed([byte]) }
        try client.sendBelow(sealed)
        try client.finish()
        #expect(try broker.join() == count)
        _ = try? client.receiveToEnd()
        client.peer.close()
        rig.finish()
        for violation in RecordViolation.allCases { #expect(rig.count(violation) == 0, "\(violation)") }
    }

    @Test("A CONNECT in records of one byte each is read over several turns", arguments: [Wrapping.tls12, .tls13])
    func connectInPieces(wrapping: Wrapping) throws {
        let combination = Combination(client: wrapping, server: .tcp)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        // Four chunks of records.
        let packet = try connect("small", username: [UInt8](repeating: 65, count: 9000))
        let broker = try Worker { () throws -> Void in
            let broker = try EdgeTests.serve(server, .tcp, packet)
            #expect(try broker.receiveToEnd() == [])
            broker.peer.close()
        }
        let client = try EdgePeer(to: rig.address, wrapping)
        var sealed: [UInt8] = []
        for byte in packet { sealed += try client.sealed([byte]) }
        try client.sendBelow(sealed)
        #expect(try client.receive(4) == accepted())
        try client.finish()
        try broker.join()
        _ = try? client.receiveToEnd()
        client.peer.close()
        rig.finish()
    }
}
