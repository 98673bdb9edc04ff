// Sessions whose bytes are transformed: every kind of client to every kind of server.

import Configuration
import Glibc
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

/// Who speaks what.
struct Combination: Sendable, CustomStringConvertible, CustomTestStringConvertible {
    var client: Wrapping
    var server: Wrapping
    /// Who reads and writes the balancer's records.
    var records = Configuration.RecordLayerChoice.native
    var description: String { "\(client.rawValue) to \(server.rawValue), \(records.rawValue)" }
    /// Sides with TLS.
    var encrypted: UInt64 { (client.hasTLS ? 1 : 0) + (server.hasTLS ? 1 : 0) }
    var testDescription: String { description }

    static let all = Wrapping.allCases.flatMap { client in
        [Wrapping.tcp, .tls13, .ws, .wss].map { Combination(client: client, server: $0) }
    }

    /// Those with TLS, as OpenSSL does the records.
    static let byOpenSSL = all.filter { $0.encrypted > 0 }.map {
        Combination(client: $0.client, server: $0.server, records: .openssl)
    }
}

@Suite("A transformed session")
struct EdgeTests {
    /// A rig for a combination.
    ///
    /// - Parameter recordLimit: records under one key.
    static func rig(
        _ combination: Combination, _ servers: [SocketAddress], recordLimit: UInt64 = .max
    ) throws -> Rig {
        let (client, server) = (combination.client, combination.server)
        return try Rig(
            servers, recordLimit: recordLimit, tls: client.hasTLS ? Certificates.server(records: combination.records) : nil,
            serverTLS: server.hasTLS ? Certificates.client(records: combination.records) : nil,
            listener: { if client.hasWebSocket { $0.webSocket = Configuration.WebSocketSettings(path: "/mqtt") } },
            backend: { settings in
                guard server.hasWebSocket else { return }
                for index in settings.servers.indices {
                    settings.servers[index].webSocket = Configuration.ServerWebSocketSettings(target: "/mqtt")
                }
            })
    }

    /// The server's end of a session, secured and upgraded, with its CONNECT read and answered.
    static func serve(
        _ server: Listener, _ wrapping: Wrapping, _ packet: [UInt8], seed: UInt64 = 2
    ) throws -> EdgePeer {
        let broker = try EdgePeer(
            try server.accept(), isClient: false, wrapping.hasTLS ? Certificates.server(wrapping.version) : nil,
            seed: seed)
        try broker.secure()
        if wrapping.hasWebSocket { _ = try broker.answerUpgrade() }
        let got = try broker.receive(packet.count)
        #expect(got == packet)
        try broker.send(accepted())
        return broker
    }

    @Test("A thousand pings, each sent when the one before was answered: no frame is held back", arguments: [Wrapping.ws, .wss], [Wrapping.tcp, .ws])
    func pings(client: Wrapping, server: Wrapping) throws {
        let listener = try Listener()
        let combination = Combination(client: client, server: server)
        let rig = try Self.rig(combination, [listener.address])
        let packet = try connect("pinging")
        let broker = try Worker { () throws -> Int in
            let broker = try Self.serve(listener, server, packet)
            for _ in 0..<1000 {
                guard try broker.receive(2) == pingreq else { return -1 }
                try broker.send([0xD0, 0])
            }
            _ = try broker.receiveToEnd()
            try broker.finish()
            return 1000
        }
        let device = try EdgePeer(to: rig.address, client)
        try device.send(packet)
        #expect(try device.receive(4) == accepted())
        for _ in 0..<1000 {
            try device.send(pingreq)
            #expect(try device.receive(2) == [0xD0, 0])
        }
        try device.finish()
        #expect(try broker.join() == 1000)
        rig.finish()
    }

    @Test("Bytes pass exactly, both ways at once, whatever both sides speak", arguments: Combination.all + Combination.byOpenSSL, [nil, 8192])
    func bulk(combination: Combination, buffers: Int32?) throws {
        let server = try Listener(receiveBuffer: buffers)
        let rig = try Self.rig(combination, [server.address])
        let count = buffers == nil ? combination.records == .native ? 5_000_000 : 1_000_000 : 300_000
        let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
        let packet = try connect("edge")
        let address = rig.address
        let broker = try Worker { () throws -> Int in
            let broker = try Self.serve(server, combination.server, packet)
            let received = try broker.exchange(down, count, up, count)
            _ = try broker.receiveToEnd()
            try broker.finish()
            return received
        }
        let client = try Worker { () throws -> Int in
            let client = try EdgePeer(to: address, combination.client, buffers: buffers)
            try client.send(packet)
            guard try client.receive(4) == accepted() else { return -1 }
            let received = try client.exchange(up, count, down, count)
            try client.finish()
            _ = try client.receiveToEnd()
            return received
        }
        #expect(try client.join() == count)
        #expect(try broker.join() == count)
        rig.finish()
        #expect(rig.count(.bytesUp) == UInt64(count + packet.count))
        #expect(rig.count(.bytesDown) == UInt64(count + 4))
        #expect(rig.count(.handshakes) == (combination.client.hasTLS ? 1 : 0))
        #expect(rig.count(.serverHandshakes) == (combination.server.hasTLS ? 1 : 0))
        #expect(rig.count(.upgrades) == (combination.client.hasWebSocket ? 1 : 0))
        #expect(rig.count(.serverUpgrades) == (combination.server.hasWebSocket ? 1 : 0))
        #expect(rig.count(.takeOvers) == (combination.records == .native ? combination.encrypted : 0))
        #expect(rig.count(.takeOversLeft) == 0 && rig.count(.takeOversRefused) == 0)
        #expect(rig.count(.handshakesFailed) == 0 && rig.count(.serverHandshakesFailed) == 0)
    }
}
