// Every kind of check against a scripted server.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Synchronization
import Testing
import Wire

@testable import Proxy

/// Answers every connection with one text, after the end of a request if it wants one, and closes.
final class TextServer: Sendable {
    private struct State {
        var text = ""
        var awaitsRequest = false
        var requests: [String] = []
        var isStopping = false
    }

    let listener: Listener
    private let state = Mutex(State())

    init(_ text: String, awaitsRequest: Bool = false) throws {
        listener = try Listener()
        state.withLock { state in
            state.text = text
            state.awaitsRequest = awaitsRequest
        }
        _ = try Thread(name: "text-server") { [self] in
            while !state.withLock({ $0.isStopping }) {
                guard listener.isKnocked(within: 200), let peer = try? listener.accept() else { continue }
                let now = state.withLock { ($0.text, $0.awaitsRequest) }
                var request: [UInt8] = []
                while now.1, !String(decoding: request, as: UTF8.self).hasSuffix("\r\n\r\n") {
                    guard let bytes = try? peer.receiveSome(), !bytes.isEmpty else { break }
                    request += bytes
                }
                let text = String(decoding: request, as: UTF8.self)
                state.withLock { if now.1 { $0.requests.append(text) } }
                try? peer.send(Array(now.0.utf8))
                peer.close()
            }
        }
    }

    func say(_ text: String) { state.withLock { $0.text = text } }
    func stop() { state.withLock { $0.isStopping = true } }
    var requests: [String] { state.withLock { $0.requests } }
}

@Suite("A check")
struct ProberTests {
    @Test("of HTTP looks at the status: good, draining, bad, none")
    func http() throws {
        let server = try TextServer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", awaitsRequest: true)
        defer { server.stop() }
        let nowhere = SocketAddress(.v4(IPv4Address(127, 0, 0, 1)), port: 1)
        let checks = try Checks([nowhere]) { check in
            check.kind = .http
            check.port = server.listener.address.port
            check.path = "/api/v5/load_rebalance/availability_check"
            check.httpHost = "emqx.example"
            check.drainStatus = 503
        }
        #expect(try checks.reaches { checks.status == .up })
        #expect(
            server.requests.first?.hasPrefix(
                "GET /api/v5/load_rebalance/availability_check HTTP/1.1\r\nHost: emqx.example\r\n") == true)
        server.say("HTTP/1.1 503 Service Unavailable\r\n\r\n")
        #expect(try checks.reaches { checks.status == .busy })
        #expect(checks.last == "check: HTTP status 503 means drain")
        server.say("HTTP/1.0 500 Oops\r\n\r\n")
        #expect(try checks.reaches { checks.status == .down })
        #expect(checks.last == "check failed: answered with HTTP status 500")
        server.say("HTTP/1.1 200 OK\r\n\r\n")
        #expect(try checks.reaches { checks.status == .up })
        server.say("SSH-2.0-OpenSSH\r\n")
        #expect(try checks.reaches { checks.status == .down })
    }

    @Test("of an agent obeys its line")
    func agent() throws {
        let server = try TextServer("up 50%\n")
        defer { server.stop() }
        let checks = try Checks([SocketAddress(.v4(IPv4Address(127, 0, 0, 2)), port: 1)]) { check in
            check.kind = .agent
            check.port = server.listener.address.port
            check.address = server.listener.address.address
        }
        #expect(try checks.reaches { checks.status == .up })
        #expect(checks.backend.current.servers[0].weight == 1)
        server.say("maint")
        #expect(try checks.reaches { checks.status == .busy })
        server.say("ready up 0%\r\n")
        #expect(try checks.reaches { checks.status == .up && checks.backend.current.servers[0].weight == 0 })
        server.say("down # disk\n")
        #expect(try checks.reaches { checks.status == .down })
        #expect(checks.last == "check failed: the agent says down, disk")
    }

    @Test("of MQTT offers what the file says, and says goodbye", arguments: [ProtocolVersion.v311, .v5])
    func mqtt(version: ProtocolVersion) throws {
        let server = try Listener()
        let checks = try Checks([server.address]) { check in
            check.isVersion5 = version == .v5
            check.clientID = "watcher"
            check.username = "user"
            check.password = "secret"
        }
        var draft = ConnectDraft(version: version, clientID: id("watcher"), keepAlive: 10)
        draft.username = id("user")
        draft.password = id("secret")
        let expected = try draft.encode()
        // The prober turns on this thread, the server answers from another.
        let server1 = try Worker { () -> [UInt8] in
            let peer = try server.accept()
            let packet = try peer.receive(expected.count)
            try peer.send(accepted(version))
            return packet + (try peer.receiveToEnd().bytes)
        }
        #expect(try checks.reaches { checks.status == .up })
        #expect(try server1.join() == expected + [0xE0, 0])
    }

    @Test("refused for its credentials, a broker is alive; busy, it drains")
    func codes() throws {
        let broker = try Broker(.answerAndClose(refused(5)))
        defer { broker.stop() }
        let checks = try Checks([broker.address]) { _ in }
        #expect(try checks.reaches { checks.status == .up })
        broker.become(.answerAndClose(refused(3)))
        #expect(try checks.reaches { checks.status == .busy })
        broker.become(.close)
        #expect(try checks.reaches { checks.status == .down })
    }

    @Test("is one of few at a time, though hundreds are due at once")
    func many() throws {
        let brokers = try (0..<4).map { _ in try Broker() }
        defer { brokers.forEach { $0.stop() } }
        let addresses = (0..<400).map { brokers[$0 % 4].address }
        let checks = try Checks(addresses) { check in check.interval = .seconds(60) }
        #expect(try checks.reaches { checks.backend.current.servers.allSatisfy { $0.health.status == .up } })
        #expect(checks.backend.current.isSettled)
    }
}
