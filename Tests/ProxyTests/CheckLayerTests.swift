// Health checks through the layers that a backend's sessions have: TLS, a WebSocket, both.

import Balancing
import Configuration
import Linux
import MQTT
import Testing
import WebSocket
import Wire

@testable import Proxy
@testable import TLS

@Suite("A check of a server behind TLS or a WebSocket")
struct CheckLayerTests {
    /// Answers checks one after the other until it is told to stop.
    private final class LayeredBroker: Sendable {
        let listener: Listener
        /// Checks that were answered to the end.
        let answered = Gauge()
        let isOver = Gauge()

        init(_ wrapping: Wrapping, _ serve: @escaping @Sendable (EdgePeer) throws -> Void) throws {
            listener = try Listener()
            _ = try Thread(name: "layered-broker") { [self] in
                while isOver.value == 0 {
                    guard listener.isKnocked(within: 100), let peer = try? listener.accept() else { continue }
                    defer { peer.close() }
                    do {
                        let end = try EdgePeer(
                            peer, isClient: false, wrapping.hasTLS ? try Certificates.server(wrapping.version) : nil)
                        try end.secure()
                        try serve(end)
                        answered.add(1)
                    } catch {
                        // A check that does not like us goes away; what it thinks of us is the test's to see.
                        continue
                    }
                }
            }
        }

        func stop() { isOver.add(1) }
    }

    /// What a check sends when the file says nothing of it, but for the client ID.
    private static func packet() throws -> [UInt8] {
        try ConnectDraft(version: .v311, clientID: id("watcher"), keepAlive: 10).encode()
    }

    @Test("of MQTT connects as a session would, and says goodbye in every layer", arguments: Wrapping.allCases)
    func mqtt(wrapping: Wrapping) throws {
        let expected = try Self.packet()
        let goodbyes = Gauge()
        let broker = try LayeredBroker(wrapping) { end in
            if wrapping.hasWebSocket { _ = try end.answerUpgrade() }
            guard try end.receive(expected.count) == expected else { return }
            try end.send(accepted())
            let rest = try end.receiveToEnd()
            let isClosed = !wrapping.hasWebSocket || end.controls.last?.closeCode == .normal
            if rest == [0xE0, 0], isClosed, !wrapping.hasTLS || end.hasHeardCloseNotify { goodbyes.add(1) }
        }
        defer { broker.stop() }
        let checks = try Checks(
            [broker.listener.address], tls: wrapping.hasTLS ? Certificates.client() : nil,
            webSocket: wrapping.hasWebSocket ? "/mqtt" : nil
        ) { $0.clientID = "watcher" }
        #expect(try checks.reaches { checks.status == .up }, "\(checks.last ?? "no check")")
        #expect(try checks.reaches { goodbyes.value >= 3 })
    }

    @Test("of TLS wants a handshake, and nothing behind it")
    func handshake() throws {
        let broker = try LayeredBroker(.tls13) { end in _ = try end.receiveToEnd() }
        defer { broker.stop() }
        let checks = try Checks([broker.listener.address], tls: Certificates.client()) { $0.kind = .tls }
        #expect(try checks.reaches { checks.status == .up })
        #expect(try checks.reaches { broker.answered.value > 0 })
    }

    @Test("believes nobody whose certificate it would not take from a session's server")
    func untrusted() throws {
        let broker = try LayeredBroker(.tls13) { end in _ = try end.receiveToEnd() }
        defer { broker.stop() }
        for kind in [Configuration.CheckSettings.Kind.tls, .mqtt, .http] {
            let stranger = try TLSContext(clientTrusting: Certificates.directory + "/stranger.pem", version: nil)
            let checks = try Checks([broker.listener.address], tls: stranger) { $0.kind = kind }
            #expect(try checks.reaches { checks.status == .down })
            #expect(checks.last == "check failed: no TLS: untrusted: self-signed certificate", "\(checks.last ?? "")")
        }
    }

    @Test("finds a server down that speaks no TLS, or is silent where its TLS should be", arguments: [true, false])
    func plain(speaks: Bool) throws {
        let server = try TextServer(speaks ? "HTTP/1.1 400 Bad Request\r\n\r\n" : "", awaitsRequest: !speaks)
        defer { server.stop() }
        let checks = try Checks([server.listener.address], tls: Certificates.client()) { check in
            check.kind = .tls
            if !speaks { check.timeout = .milliseconds(200) }
        }
        #expect(try checks.reaches { checks.status == .down })
        #expect(checks.last?.hasPrefix("check failed: no TLS: ") == true, "\(checks.last ?? "")")
    }

    @Test("of HTTP asks through TLS, and in the clear at a port of its own")
    func http() throws {
        let seen = Gauge()
        let broker = try LayeredBroker(.tls12) { end in
            if try end.receiveHead().hasPrefix("GET /status HTTP/1.1\r\nHost: ") { seen.add(1) }
            try end.send(id("HTTP/1.1 200 OK\r\n\r\n"))
            try end.finish()
        }
        defer { broker.stop() }
        let checks = try Checks([broker.listener.address], tls: Certificates.client()) { check in
            check.kind = .http
            check.path = "/status"
        }
        #expect(try checks.reaches { checks.status == .up && seen.value > 0 })
        let text = try TextServer("HTTP/1.1 200 OK\r\n\r\n", awaitsRequest: true)
        defer { text.stop() }
        let elsewhere = try Checks([broker.listener.address], tls: Certificates.client()) { check in
            check.kind = .http
            check.port = text.listener.address.port
        }
        #expect(try elsewhere.reaches { elsewhere.status == .up })
        let encrypted = try Checks([text.listener.address], tls: Certificates.client()) { check in
            check.kind = .http
            check.path = "/status"
            check.port = broker.listener.address.port
            check.isEncrypted = true
        }
        #expect(try encrypted.reaches { encrypted.status == .up })
    }

    @Test("finds a server down that gives no WebSocket", arguments: ["404", "text", "closed"])
    func noUpgrade(fault: String) throws {
        let broker = try LayeredBroker(.ws) { end in
            switch fault {
            case "404":
                _ = try end.receiveHead()
                try end.sendRaw(id("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
            case "text":
                _ = try end.answerUpgrade()
                try end.sendRaw([0x81, 2, 0x68, 0x69])
            default: return
            }
            _ = try end.receiveToEnd()
        }
        defer { broker.stop() }
        let checks = try Checks([broker.listener.address], webSocket: "/mqtt") { _ in }
        #expect(try checks.reaches { checks.status == .down })
        let words =
            switch fault {
            case "404": "answered with HTTP status 404"
            case "text": "a text frame; MQTT is binary (MQTT 5.0, [MQTT-6.0.0-1])"
            default: "the server closed"
            }
        #expect(checks.last == "check failed: no WebSocket: \(words)")
    }

    @Test("answers a ping that comes before the CONNACK, and takes a CONNACK in pieces")
    func pieces() throws {
        let expected = try Self.packet()
        let pongs = Gauge()
        let broker = try LayeredBroker(.wss) { end in
            _ = try end.answerUpgrade()
            try end.queueControl(.ping, [1, 2, 3])
            _ = try end.receive(expected.count)
            for byte in accepted() { try end.sendRaw(Frame.encode(.binary, [byte])) }
            _ = try end.receiveToEnd()
            pongs.add(end.pongs)
        }
        defer { broker.stop() }
        let checks = try Checks([broker.listener.address], tls: Certificates.client(), webSocket: "/mqtt") {
            $0.clientID = "watcher"
        }
        #expect(try checks.reaches { checks.status == .up })
        #expect(try checks.reaches { pongs.value > 0 })
    }
}
