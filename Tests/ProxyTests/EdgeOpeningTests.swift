// How transformed sessions begin: handshakes, upgrades, and servers that do not do their part.

import Configuration
import Glibc
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("The beginning of a transformed session")
struct EdgeOpeningTests {
    private static let everything = Combination(client: .wss, server: .wss)

    @Test("A client may send byte by byte, or everything at once", arguments: [true, false], [Wrapping.ws, .wss])
    func splits(byByte: Bool, wrapping: Wrapping) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try EdgeTests.rig(Combination(client: wrapping, server: .tcp), [broker.address])
        let context = wrapping.hasTLS ? try Certificates.client() : nil
        let client = try EdgePeer(try Peer(to: rig.address), isClient: true, context)
        try client.secure()
        let key = HandshakeKey.text(Array(0..<16))
        var bytes = Array(
            """
            GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
            Sec-WebSocket-Key: \(key)\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n
            """.utf8)
        let packet = try connect("split")
        bytes += Frame.encode(.binary, Array(packet.prefix(5)), isFinal: false, mask: 0x0102_0304)
        bytes += Frame.encode(.ping, [9], mask: 0xFFFF_FFFF)
        bytes += Frame.encode(.continuation, Array(packet.dropFirst(5)) + id("and more"), mask: 7)
        if byByte {
            for byte in bytes { try client.sendRaw([byte]) }
        } else {
            try client.sendRaw(bytes)
        }
        let head = try client.receiveHead()
        #expect(head.hasPrefix("HTTP/1.1 101 "))
        #expect(head.contains("Sec-WebSocket-Protocol: mqtt"))
        client.frame()
        #expect(try client.receive(4) == accepted())
        #expect(try client.receive(8) == id("and more"))
        #expect(client.pongs == 1)
        #expect(broker.seen.clientIDs == [id("split")])
        client.peer.close()
        rig.finish()
    }

    @Test("A CONNECT as long as is allowed goes through every layer")
    func longConnect() throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(Self.everything, [server.address])
        let packet = try connect("long", username: [UInt8](repeating: 0x61, count: 65_480))
        #expect(packet.count > 65_490 && packet.count <= 65_536)
        let broker = try Worker { try EdgeTests.serve(server, .wss, packet).receiveToEnd() }
        let client = try EdgePeer(to: rig.address, .wss)
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        try client.finish()
        #expect(try broker.join() == [])
        client.peer.close()
        rig.finish()
    }

    @Test("What is no TLS is refused at once, and counted")
    func plainText() throws {
        let rig = try EdgeTests.rig(Combination(client: .tls13, server: .tcp), [try Listener().address])
        for bytes in [try connect("plain"), id("GET / HTTP/1.1\r\n\r\n"), [UInt8](repeating: 0x16, count: 700)] {
            let client = try rig.client()
            try client.send(bytes)
            _ = try client.receiveToEnd()
            client.close()
        }
        rig.reaches(.clientTLS, 3)
        #expect(rig.count(.handshakesFailed) == 3)
        rig.finish()
    }

    @Test("A handshake has its own deadline, and a CONNECT behind it another")
    func deadlines() throws {
        let rig = try Rig(
            [try Listener().address], tls: Certificates.server(),
            listener: {
                $0.tls = .init()
                $0.tls?.handshakeTimeout = .milliseconds(300)
                $0.connectDeadline = .milliseconds(400)
            })
        let silent = try rig.client()
        #expect(try silent.receiveToEnd().bytes == [])
        rig.reaches(.handshakeDeadline, 1)
        let secured = try EdgePeer(to: rig.address, .tls13)
        _ = try secured.receiveToEnd()
        rig.reaches(.connectDeadline, 1)
        rig.finish()
    }

    @Test("Many handshakes at once are paced; an established session goes on")
    func pacing() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig([broker.address], capacity: 2048, tls: Certificates.server())
        let established = try EdgePeer(to: rig.address, .tls13)
        try established.send(try connect("established"))
        #expect(try established.receive(4) == accepted())
        let address = rig.address
        let isDone = Gauge()
        let storm = try Worker { () throws -> Int in
            defer { isDone.add(1) }
            let context = try Certificates.client()
            let peers = try (0..<1000).map { _ in try EdgePeer(try Peer(to: address), isClient: true, context) }
            // All hellos first, then all the rest.
            for peer in peers { try peer.sendHello() }
            for peer in peers { try peer.secure() }
            for (number, peer) in peers.enumerated() { try peer.send(try connect("storm-\(number)")) }
            var good = 0
            for peer in peers where try peer.receive(4) == accepted() { good += 1 }
            for peer in peers { peer.peer.close() }
            return good
        }
        var longest = Duration.zero
        var pings = 0
        repeat {
            let start = Clock.now
            try established.send(pingreq)
            #expect(try established.receive(2) == pingreq)
            longest = max(longest, Clock.now - start)
            pings += 1
        } while isDone.value == 0
        #expect(try storm.join() == 1000)
        #expect(rig.count(.handshakes) == 1001)
        #expect(rig.count(.handshakesPostponed) > 0, "so many at once do not fit into a turn")
        print("pings of an established session during 1,000 handshakes: \(pings), the slowest took \(longest)")
        established.peer.close()
        rig.finish()
    }

    // MARK: Servers

    @Test("A server whose TLS or upgrade fails is left for the next one", arguments: ["untrusted", "plain", "http", "silent"])
    func replay(fault: String) throws {
        let bad = try Listener()
        let good = try Listener()
        let combination = Combination(client: .wss, server: fault == "http" ? .ws : .tls13)
        let (client, server) = (combination.client, combination.server)
        let rig = try Rig(
            [bad.address, good.address], tls: Certificates.server(),
            serverTLS: server.hasTLS ? Certificates.client() : nil,
            listener: { if client.hasWebSocket { $0.webSocket = .init(path: "/mqtt") } },
            backend: { settings in
                settings.connectTimeout = .milliseconds(fault == "silent" ? 500 : 10_000)
                guard server.hasWebSocket else { return }
                for index in settings.servers.indices { settings.servers[index].webSocket = .init(target: "/mqtt") }
            })
        let packet = try connect("replayed")
        let serving = try Worker { () throws -> Bool in
            let first = try bad.accept()
            switch fault {
            case "untrusted":
                let peer = try EdgePeer(first, isClient: false, Certificates.stranger())
                do { try peer.secure() } catch {}
                _ = try? peer.receiveToEnd()
            case "http":
                let peer = try EdgePeer(first, isClient: false, nil)
                _ = try peer.receiveHead()
                try peer.send(id("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                _ = try? peer.receiveToEnd()
            case "plain":
                try first.send(id("220 smtp.example.com\r\n"))
                _ = try? first.receiveToEnd()
            default: _ = try? first.receiveToEnd()
            }
            return try EdgeTests.serve(good, server, packet).receiveToEnd() == []
        }
        let peer = try EdgePeer(to: rig.address, .wss)
        try peer.send(packet)
        #expect(try peer.receive(4) == accepted())
        try peer.finish()
        #expect(try serving.join())
        #expect(rig.count(.replays) == 1)
        switch fault {
        case "http": #expect(rig.count(.serverUpgradesFailed) == 1)
        case "silent": #expect(rig.count(.connectTimeout) == 1)
        default: #expect(rig.count(.serverHandshakesFailed) == 1)
        }
        peer.peer.close()
        rig.finish()
    }

    @Test("A server over WebSocket is told whom the connection is for")
    func fields() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address],
            listener: {
                $0.webSocket = .init(path: "/mqtt")
                $0.trustedForwarders = [IPPrefix(.v4(IPv4Address(127, 0, 0, 0)), length: 8)]
            },
            backend: { $0.servers[0].webSocket = .init(target: "/mqtt?x=1") })
        let packet = try connect("fields")
        func request(_ fields: [String]) throws -> [String] {
            let serving = try Worker { () throws -> String in
                let broker = try EdgePeer(try server.accept(), isClient: false, nil)
                let head = try broker.answerUpgrade()
                _ = try broker.receive(packet.count)
                try broker.send(accepted())
                _ = try broker.receiveToEnd()
                return head
            }
            let client = try EdgePeer(try Peer(to: rig.address), isClient: true, nil)
            try client.upgrade("/mqtt", host: "MQTT.example.com:8083", fields: fields)
            try client.send(packet)
            #expect(try client.receive(4) == accepted())
            try client.finish()
            let lines = try serving.join().split(separator: "\r\n").map(String.init)
            client.peer.close()
            return lines
        }
        // A trusted proxy before us tells the client; its claim of X-Real-IP is nobody's word.
        let lines = try request(["X-Forwarded-For: 192.0.2.7, 127.0.0.9", "X-Real-IP: 203.0.113.1"])
        #expect(lines[0] == "GET /mqtt?x=1 HTTP/1.1")
        for line in [
            "Host: MQTT.example.com:8083", "X-Real-IP: 192.0.2.7", "REMOTE-HOST: 192.0.2.7",
            "X-Forwarded-For: 192.0.2.7, 127.0.0.9, 127.0.0.1",
        ] {
            #expect(lines.contains(line), "\(line) in \(lines)")
        }
        let alone = try request([])
        #expect(alone.contains("X-Forwarded-For: 127.0.0.1") && alone.contains("X-Real-IP: 127.0.0.1"))
        rig.finish()
    }
}
