// How transformed sessions end, and what a client hears of it.

import Configuration
import Glibc
import Linux
import MQTT
import TLS
import Testing
import WebSocket
import Wire

@testable import Proxy

@Suite("The end of a transformed session")
struct EdgeClosingTests {
    /// A session with both ends in the test's hands.
    private func pair(
        _ rig: Rig, _ server: Listener, _ combination: Combination, _ name: String = "edge"
    ) throws -> (client: EdgePeer, broker: EdgePeer) {
        let packet = try connect(name)
        let serving = try Worker { try Sent(EdgeTests.serve(server, combination.server, packet)) }
        let client = try EdgePeer(to: rig.address, combination.client)
        try client.send(packet)
        #expect(try client.receive(4) == accepted())
        return (client, try serving.join().peer)
    }

    /// Peers are made on one thread and used on another, never at once.
    private struct Sent: @unchecked Sendable {
        let peer: EdgePeer
        init(_ peer: EdgePeer) { self.peer = peer }
    }

    @Test("An idle session holds no buffer", arguments: Combination.all + Combination.byOpenSSL)
    func idle(combination: Combination) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        for _ in 0..<3 {
            try client.send(pingreq)
            #expect(try broker.receive(2) == pingreq)
            try broker.send([0xD0, 0])
            #expect(try client.receive(2) == [0xD0, 0])
        }
        #expect(eventually { rig.gauge(.chunks) == 0 })
        client.peer.close()
        _ = try broker.receiveToEnd()
        broker.peer.close()
        rig.finish()
    }

    @Test("The last words of a side reach the other, in every layer", arguments: Combination.all + Combination.byOpenSSL, [true, false])
    func lastWords(combination: Combination, clientFirst: Bool) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        let (first, second) = clientFirst ? (client, broker) : (broker, client)
        try first.send(id("the last words"))
        try first.finish()
        #expect(try second.receive(14) == id("the last words"))
        #expect(try second.receiveToEnd() == [])
        let layers = clientFirst ? combination.server : combination.client
        #expect(second.controls.map(\.opcode) == (layers.hasWebSocket ? [.close] : []))
        #expect(second.controls.first?.closeCode == (layers.hasWebSocket ? .normal : nil))
        #expect(second.hasHeardCloseNotify == layers.hasTLS)
        try second.finish()
        _ = try? first.receiveToEnd()
        rig.reaches(clientFirst ? .clientClosed : .serverClosed, 1)
        client.peer.close()
        rig.finish()
    }

    @Test("A side may end its stream and hear the other out, where its protocol can", arguments: [true, false])
    func halfClose(clientFirst: Bool) throws {
        let combination = Combination(client: .tls13, server: .tls13)
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        let (first, second) = clientFirst ? (client, broker) : (broker, client)
        try first.finish()
        #expect(try second.receiveToEnd() == [])
        let pattern = Pattern(seed: 3)
        let writing = Sent(second)
        let worker = try Worker {
            _ = try writing.peer.exchange(pattern, 3 << 20, pattern, 0)
            try writing.peer.finish()
        }
        #expect(try first.receive(3 << 20) == pattern.bytes(at: 0, most: 3 << 20) + pattern.wrapped(3 << 20))
        try worker.join()
        rig.finish()
    }

    @Test("A reset of one side closes the other", arguments: Combination.all + Combination.byOpenSSL, [true, false])
    func reset(combination: Combination, isClient: Bool) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        let (first, second) = isClient ? (client, broker) : (broker, client)
        first.peer.reset()
        do { #expect(try second.receiveToEnd() == []) } catch let error as Errno where error.code == ECONNRESET {}
        second.peer.close()
        rig.reaches(isClient ? .clientReset : .serverReset, 1)
        rig.finish()
    }

    @Test("A reader that stops stops the writer; then all comes", arguments: Combination.all + Combination.byOpenSSL)
    func backPressure(combination: Combination) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        let pattern = Pattern(seed: 9)
        var sent = 0
        // Until the whole way is full and nothing moves any more.
        while client.isWritable(within: 500) {
            try client.queue(pattern.bytes(at: sent, most: 60_000))
            sent += pattern.bytes(at: sent, most: 60_000).count
            try #require(sent < 256 << 20, "nothing stops the writer")
            while client.hasOutput, client.isWritable(within: 500) { try client.turn(reading: false) }
        }
        #expect(eventually { rig.gauge(.chunks) <= 3 })
        let (writer, total) = (Sent(client), sent)
        let worker = try Worker { while writer.peer.hasOutput { try writer.peer.turn(reading: false) } }
        var received = 0
        while received < total {
            try broker.turn()
            let bytes = broker.takeAll()
            try #require(pattern.matches(bytes, at: received))
            received += bytes.count
        }
        try worker.join()
        #expect(received == total)
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    // MARK: WebSocket

    @Test("What a client sent before its close frame reaches a server that is slow to read and speaks meanwhile", arguments: [Wrapping.ws, .wss])
    func closeBehindBytes(client wrapping: Wrapping) throws {
        let combination = Combination(client: wrapping, server: .tcp)
        let server = try Listener(receiveBuffer: 8192)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try pair(rig, server, combination)
        let pattern = Pattern(seed: 17)
        let count = 400_000
        #expect(try client.exchange(pattern, count, pattern, 0) == 0)
        try broker.send(id("unread when the close comes"))
        try client.sendRaw(Frame.close(.normal, mask: 0x0102_0304))
        // The client is answered at once, whatever the server does.
        #expect(try client.receiveControl().opcode == .close)
        try broker.send(id("nobody hears this"))
        var received = 0
        while received < count {
            try broker.turn()
            let bytes = broker.takeAll()
            try #require(pattern.matches(bytes, at: received))
            received += bytes.count
            try #require(!broker.isEnded || received == count, "the server lost what was sent before the close")
        }
        #expect(try broker.receiveToEnd() == [])
        broker.peer.close()
        _ = try? client.receiveToEnd()
        rig.reaches(.clientClosed, 1)
        client.peer.close()
        rig.finish()
    }

    @Test("Pings are answered, text and broken frames are refused with their code")
    func frames() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let combination = Combination(client: .ws, server: .tcp)
        let rig = try EdgeTests.rig(combination, [broker.address])
        let cases: [([UInt8], CloseCode, FrameViolation)] = [
            ([0x81, 0x80, 0, 0, 0, 0], .unsupportedData, .textFrame),
            ([0x82, 0x01, 7], .protocolError, .notMasked),
            ([0xC2, 0x80, 0, 0, 0, 0], .protocolError, .reservedBits),
            ([0x80, 0x80, 0, 0, 0, 0], .protocolError, .continuationWithoutStart),
            ([0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], .messageTooBig, .frameTooLarge),
        ]
        for isEstablished in [false, true] {
            for (bytes, code, violation) in cases {
                let before = rig.count(violation)
                let client = try EdgePeer(to: rig.address, .ws)
                if isEstablished {
                    try client.send(try connect("frames"))
                    #expect(try client.receive(4) == accepted())
                }
                try client.queueControl(.ping, id("hello"))
                try client.sendRaw([])
                while client.pongs == 0 { try client.turn() }
                try client.sendRaw(bytes)
                let close = try client.receiveControl()
                #expect(close.opcode == .close && close.closeCode == code, "\(violation.name)")
                _ = try client.receiveToEnd()
                client.peer.close()
                #expect(rig.count(violation) == before + 1, "\(violation.name)")
            }
        }
        rig.reaches(.frameViolation, UInt64(2 * cases.count))
        rig.finish()
    }

    @Test("A close frame is answered with its code")
    func close() throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try EdgeTests.rig(Combination(client: .wss, server: .tcp), [broker.address])
        for isEstablished in [false, true] {
            let client = try EdgePeer(to: rig.address, .wss)
            if isEstablished {
                try client.send(try connect("close"))
                #expect(try client.receive(4) == accepted())
            }
            try client.queueControl(.close, [0x0F, 0xA1, 0x62, 0x79, 0x65])
            try client.sendRaw([])
            #expect(try client.receiveControl().closeCode == CloseCode(rawValue: 4001))
            #expect(try client.receiveToEnd() == [])
            #expect(client.hasHeardCloseNotify)
            client.peer.close()
        }
        rig.reaches(.clientClosed, 2)
        rig.finish()
    }

    @Test("Requests that are not for us get their status", arguments: [Wrapping.ws, .wss])
    func requests(wrapping: Wrapping) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try Rig(
            [broker.address], tls: wrapping.hasTLS ? Certificates.server() : nil,
            listener: { $0.webSocket = .init(path: "/mqtt", hosts: ["mqtt.example.com"]) })
        func answer(_ path: String, _ fields: [String]) throws -> String {
            let context = wrapping.hasTLS ? try Certificates.client() : nil
            let client = try EdgePeer(try Peer(to: rig.address), isClient: true, context)
            try client.secure()
            let lines = ["GET \(path) HTTP/1.1"] + fields + ["", ""]
            try client.sendRaw(Array(lines.joined(separator: "\r\n").utf8))
            let head = try client.receiveHead()
            _ = try client.receiveToEnd()
            client.peer.close()
            return String(head.prefix(12))
        }
        let key = "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw=="
        let upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key]
        let mqtt = upgrade + ["Sec-WebSocket-Protocol: mqtt"]
        #expect(try answer("/x", ["Host: mqtt.example.com"] + mqtt) == "HTTP/1.1 404")
        #expect(try answer("/mqttx", ["Host: mqtt.example.com"] + mqtt) == "HTTP/1.1 404")
        #expect(try answer("/mqtt", ["Host: other.example.com"] + mqtt) == "HTTP/1.1 404")
        #expect(try answer("/mqtt", ["Host: mqtt.example.com"]) == "HTTP/1.1 426")
        #expect(try answer("/mqtt", ["Host: mqtt.example.com"] + upgrade) == "HTTP/1.1 400")
        #expect(try answer("/mqtt", mqtt) == "HTTP/1.1 400")
        rig.reaches(.upgradeRefused, 6)
        #expect(rig.count(UpgradeRefusal.Reason.unknownPath) == 2 && rig.count(UpgradeRefusal.Reason.unknownHost) == 1)
        #expect(rig.count(UpgradeRefusal.Reason.upgradeRequired) == 1)
        for path in ["/mqtt", "/mqtt/", "/mqtt/a?b=c"] {
            let client = try EdgePeer(to: rig.address, wrapping, path: path)
            try client.send(try connect("good"))
            #expect(try client.receive(4) == accepted())
            client.peer.close()
        }
        rig.finish()
    }

    @Test("A refusal comes in the client's own protocol, through every layer", arguments: Wrapping.allCases)
    func refusal(wrapping: Wrapping) throws {
        let rig = try EdgeTests.rig(
            Combination(client: wrapping, server: .tcp), [try Listener(isListening: false).address])
        let client = try EdgePeer(to: rig.address, wrapping)
        try client.send(try connect("nobody", .v5))
        #expect(try client.receive(5) == refused(0x88, .v5))
        #expect(try client.receiveToEnd() == [])
        #expect(client.hasHeardCloseNotify == wrapping.hasTLS)
        #expect(client.controls.count == (wrapping.hasWebSocket ? 1 : 0))
        client.peer.close()
        rig.reaches(.noServer, 1)
        let other = try EdgePeer(to: rig.address, wrapping)
        try other.send([0x20, 2, 0, 0])
        _ = try other.receiveToEnd()
        #expect(other.controls.first?.closeCode == (wrapping.hasWebSocket ? .protocolError : nil))
        other.peer.close()
        rig.reaches(.refused, 1)
        rig.finish()
    }

    @Test("What is drained or stopped is told so", arguments: [Wrapping.tls12, .tls13, .ws, .wss])
    func drained(wrapping: Wrapping) throws {
        let broker = try Broker()
        defer { broker.stop() }
        let rig = try EdgeTests.rig(Combination(client: wrapping, server: .tcp), [broker.address])
        let client = try EdgePeer(to: rig.address, wrapping)
        try client.send(try connect("drained"))
        #expect(try client.receive(4) == accepted())
        rig.post(.shed(server: ServerPlace(backend: 0, index: 0), most: 1))
        #expect(try client.receiveToEnd() == [])
        #expect(client.controls.first?.closeCode == (wrapping.hasWebSocket ? .goingAway : nil))
        #expect(client.hasHeardCloseNotify == wrapping.hasTLS)
        rig.reaches(.drained, 1)
        client.peer.close()
        rig.finish()
    }
}

extension Pattern {
    /// What follows the first turn of the block, up to `count` bytes from the beginning.
    func wrapped(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var place = self.bytes(at: 0, most: count).count
        while place < count {
            let piece = self.bytes(at: place, most: count - place)
            bytes += piece
            place += piece.count
        }
        return bytes
    }
}
