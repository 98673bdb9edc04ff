// PROXY headers, rewritten CONNECTs and passed bytes where one side or both speak TLS or WebSocket.

import Configuration
import Glibc
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("A transformed session with a head")
struct EdgeHeadTests {
    private static let header = id("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n")

    private static func rig(
        _ combination: Combination, _ servers: [SocketAddress],
        _ change: (inout Configuration.ListenerSettings) -> Void = { _ in }
    ) throws -> Rig {
        let (client, server) = (combination.client, combination.server)
        return try Rig(
            servers, tls: client.hasTLS ? Certificates.server() : nil,
            serverTLS: server.hasTLS ? Certificates.client() : nil,
            listener: {
                if client.hasWebSocket { $0.webSocket = Configuration.WebSocketSettings(path: "/mqtt") }
                $0.proxyAcceptance = .loopback
                change(&$0)
            },
            backend: { settings in
                settings.proxySending = .init(version: 1)
                guard server.hasWebSocket else { return }
                for index in settings.servers.indices {
                    settings.servers[index].webSocket = Configuration.ServerWebSocketSettings(target: "/mqtt")
                }
            })
    }

    /// A client behind a proxy: the header in the clear, then whatever it speaks.
    private static func client(_ address: SocketAddress, _ wrapping: Wrapping) throws -> EdgePeer {
        let peer = try Peer(to: address)
        try peer.send(header)
        let client = try EdgePeer(
            peer, isClient: true, wrapping.hasTLS ? try Certificates.client(wrapping.version) : nil)
        try client.secure()
        if wrapping.hasWebSocket { try client.upgrade("/mqtt") }
        return client
    }

    /// The server's end: the header in the clear, then whatever it speaks.
    private static func server(_ listener: Listener, _ wrapping: Wrapping) throws -> EdgePeer {
        let peer = try listener.accept()
        let greeting = try peer.receive(header.count)
        #expect(greeting == header)
        let server = try EdgePeer(
            peer, isClient: false, wrapping.hasTLS ? Certificates.server(wrapping.version) : nil)
        try server.secure()
        if wrapping.hasWebSocket { _ = try server.answerUpgrade() }
        return server
    }

    @Test("takes and gives PROXY headers in the clear, and the rewritten CONNECT inside", arguments: Combination.all)
    func heads(combination: Combination) throws {
        let listener = try Listener()
        let rig = try Self.rig(combination, [listener.address]) {
            $0.rewriting.clientID = .from(.sourceAddress, keyFile: nil)
        }
        let packet = try connect("a-device-with-quite-another-name")
        let seen = try connect("192.0.2.1")
        // The header and what follows come in one read or in two, as it happens.
        for _ in 0..<4 {
            let serving = try Worker { () throws -> Int in
                let broker = try Self.server(listener, combination.server)
                let got = try broker.receive(seen.count)
                #expect(got == seen)
                try broker.send(accepted())
                let more = try broker.receive(2)
                #expect(more == pingreq)
                try broker.send(pingreq)
                _ = try broker.receiveToEnd()
                try broker.finish()
                return 0
            }
            let client = try Self.client(rig.address, combination.client)
            try client.send(packet + pingreq)
            #expect(try client.receive(6) == accepted() + pingreq)
            let session = try #require(try rig.listing().first)
            #expect("\(session.peer)" == "192.0.2.1:56324")
            #expect(session.clientID == id("192.0.2.1"))
            #expect(session.original == id("a-device-with-quite-another-name"))
            try client.finish()
            _ = try client.receiveToEnd()
            _ = try serving.join()
            client.peer.close()
            #expect(eventually { rig.gauge(.sessions) == 0 })
        }
        rig.finish()
        #expect(rig.count(.proxyAccepted) == 4)
    }

    @Test("gives the next server the same from the first byte", arguments: [Wrapping.tcp, .tls13, .ws, .wss])
    func replays(wrapping: Wrapping) throws {
        let first = try Listener()
        let second = try Listener()
        let rig = try Self.rig(Combination(client: .tls13, server: wrapping), [first.address, second.address])
        let packet = try connect("again")
        let serving = try Worker { () throws -> Int in
            let bad = try Self.server(first, wrapping)
            _ = try bad.receive(packet.count)
            bad.peer.close()
            let good = try Self.server(second, wrapping)
            let got = try good.receive(packet.count)
            #expect(got == packet)
            try good.send(accepted())
            _ = try good.receiveToEnd()
            try good.finish()
            return 0
        }
        let client = try Self.client(rig.address, .tls13)
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        #expect(rig.count(.replays) == 1)
        try client.finish()
        _ = try client.receiveToEnd()
        _ = try serving.join()
        client.peer.close()
        rig.finish()
    }

    @Test("passes what it does not read", arguments: [Wrapping.tcp, .tls12, .tls13], [Wrapping.tcp, .tls13])
    func opaque(client wrapping: Wrapping, server: Wrapping) throws {
        let listener = try Listener()
        let rig = try Self.rig(Combination(client: wrapping, server: server), [listener.address]) { $0.protocol = .tcp }
        let count = 1_000_000
        let (up, down) = (Pattern(seed: 1), Pattern(seed: 2))
        let address = rig.address
        let serving = try Worker { () throws -> Int in
            let broker = try Self.server(listener, server)
            let received = try broker.exchange(down, count, up, count)
            _ = try broker.receiveToEnd()
            try broker.finish()
            return received
        }
        let client = try Worker { () throws -> Int in
            let client = try Self.client(address, wrapping)
            let received = try client.exchange(up, count, down, count)
            try client.finish()
            _ = try client.receiveToEnd()
            return received
        }
        #expect(try client.join() == count)
        #expect(try serving.join() == count)
        rig.finish()
    }
}
