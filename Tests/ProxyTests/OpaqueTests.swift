// Listeners that pass bytes as they are: dashboards, and MQTT over WebSocket that nobody looks into.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A listener that passes bytes")
struct OpaqueTests {
    private static func opaque(_ choice: Configuration.ListenerProtocol) -> (inout Configuration.ListenerSettings) -> Void {
        { $0.protocol = choice }
    }

    @Test("connects before the client speaks, whoever speaks first", arguments: [1, 2])
    func speaksFirst(loops: Int) throws {
        let server = try Listener()
        let rig = try Rig([server.address], loops: loops, listener: Self.opaque(.tcp))
        let client = try rig.client()
        let broker = try server.accept()
        try broker.send(id("220 hello\r\n"))
        #expect(try client.receive(11) == id("220 hello\r\n"))
        try client.send(id("HELO\r\n"))
        #expect(try broker.receive(6) == id("HELO\r\n"))
        let session = try #require(try rig.listing().first)
        #expect(session.clientID.isEmpty && session.level == 0)
        #expect(session.added == 0 && session.replaced == 0 && session.skipped == 0)
        client.shutdown()
        #expect(try broker.receiveToEnd().bytes == [])
        try broker.send(id("221 bye\r\n"))
        broker.close()
        #expect(try client.receiveToEnd().bytes == id("221 bye\r\n"))
        rig.reaches(.established, 1)
        rig.finish()
    }

    @Test("passes megabytes both ways unchanged, behind a PROXY header and with one", arguments: [false, true])
    func passes(hasHeaders: Bool) throws {
        let broker = try Broker(.echo)
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address],
            listener: {
                $0.protocol = .tcp
                if hasHeaders { $0.proxyAcceptance = .loopback }
            }, backend: { if hasHeaders { $0.proxySending = .init(version: 1) } })
        let client = try rig.client()
        let bytes = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 11) }
        let header = hasHeaders ? id("PROXY TCP4 192.0.2.1 192.0.2.2 56324 1883\r\n") : []
        let sending = try Worker {
            try client.send(header + bytes)
            client.shutdown()
        }
        // The echo begins with the header that the server got, which says the same.
        #expect(try client.receive(header.count) == header)
        #expect(try client.receive(bytes.count) == bytes)
        try sending.join()
        #expect(try client.receiveToEnd().bytes == [])
        rig.finish()
    }

    @Test("tries the next server when one refuses the connection, and spreads what it takes")
    func replays() throws {
        let unused = try Listener(isListening: false)
        let brokers = try (0..<2).map { _ in try Broker(.echo) }
        defer { for broker in brokers { broker.stop() } }
        let rig = try Rig([unused.address] + brokers.map(\.address), listener: Self.opaque(.tcp))
        var clients: [Peer] = []
        for _ in 0..<4 {
            let client = try rig.client()
            try client.exchange(id("ping"), expecting: id("ping"))
            clients.append(client)
        }
        #expect(rig.count(.connectFailed) >= 1)
        #expect(rig.loads == [0, 2, 2])
        for client in clients { client.close() }
        rig.finish()
    }

    @Test("sends a client to the same server by its address")
    func source() throws {
        let brokers = try (0..<3).map { _ in try Broker(.echo) }
        defer { for broker in brokers { broker.stop() } }
        let rig = try Rig(
            brokers.map(\.address),
            listener: {
                $0.protocol = .tcp
                $0.proxyAcceptance = .loopback
            }, backend: { $0.algorithm = .source })
        var clients: [Peer] = []
        var servers: Set<[Int]> = []
        for host in 1...12 {
            let before = rig.loads
            for _ in 0..<2 {
                let client = try rig.client()
                try client.send(id("PROXY TCP4 192.0.2.\(host) 192.0.2.2 56324 1883\r\nping"))
                #expect(try client.receive(4) == id("ping"))
                clients.append(client)
            }
            let change = zip(rig.loads, before).map { $0 - $1 }
            #expect(change.sorted() == [0, 0, 2], "both to one")
            servers.insert(change)
        }
        #expect(servers.count > 1, "not all to one")
        for client in clients { client.close() }
        rig.finish()
    }

    @Test("without a server says so in HTTP, and nothing otherwise")
    func noServer() throws {
        let unused = try Listener(isListening: false)
        let dashboard = try Rig([unused.address], listener: Self.opaque(.http))
        let browser = try dashboard.client()
        try browser.send(id("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        let (answer, ending) = try browser.receiveToEnd()
        #expect(answer.starts(with: id("HTTP/1.1 503 ")))
        #expect(ending == .closed)
        browser.close()
        dashboard.reaches(.noServer, 1)
        dashboard.finish()

        let plain = try Rig([unused.address], listener: Self.opaque(.tcp))
        let client = try plain.client()
        #expect(try client.receiveToEnd().bytes == [])
        plain.reaches(.noServer, 1)
        plain.finish()
    }

    @Test("ends a session in which neither side speaks, and none in which one does")
    func idle() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address],
            listener: {
                $0.protocol = .tcp
                $0.idleTimeout = .seconds(1)
            })
        let silent = try rig.client()
        let dead = try server.accept()
        let listening = try rig.client()
        let speaking = try server.accept()
        // Only the server speaks; the client listens for longer than the silence allowed.
        let start = Clock.now
        while Clock.now - start < .milliseconds(2500) {
            try speaking.send(id("."))
            #expect(try listening.receive(1) == id("."))
            _ = listening.happens(POLLIN, within: 100)
        }
        #expect(try silent.receiveToEnd().bytes == [])
        #expect(rig.count(.idle) == 1)
        listening.close()
        for peer in [dead, speaking] { peer.close() }
        rig.finish()
    }
}
