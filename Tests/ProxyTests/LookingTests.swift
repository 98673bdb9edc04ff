// What a server says in a DISCONNECT, and in a CONNACK behind AUTH: looked at before the client gets it.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import Testing
import Wire

@testable import Proxy

@Suite("A packet for the client that is looked at")
struct LookingTests {
    private static let everyWay = Combination.all + Combination.byOpenSSL
    private static let reference = "10.0.0.7:1883"

    /// A DISCONNECT with a reason string, and a Server Reference if one is given.
    private static func disconnect(_ reason: ReasonCode, _ reference: String?, _ text: String = "because") throws -> [UInt8] {
        var properties = Properties()
        try properties.append(.reasonString, id(text))
        if let reference { try properties.append(.serverReference, id(reference)) }
        return try Disconnect(reason, properties: properties).encode(version: .v5)
    }

    private static func auth(_ method: String) throws -> [UInt8] {
        var properties = Properties()
        try properties.append(.authenticationMethod, id(method))
        let body = [0x18, UInt8(properties.bytes.count)] + properties.bytes
        return [0xF0, UInt8(body.count)] + body
    }

    /// Sends in pieces that the loop sees one by one.
    private func send(_ bytes: [UInt8], _ broker: EdgePeer, _ rig: Rig, pieces: Int) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = pieces == 0 ? rest.count : min(pieces, rest.count)
            // The balancer may have heard enough.
            do { try broker.send(Array(rest.prefix(count))) } catch { return }
            rest = rest.dropFirst(count)
            rig.barrier()
        }
    }

    @Test(
        "DISCONNECT with a Server Reference reaches the client as its reason alone; the server is busy, the client is forgotten",
        arguments: everyWay, [0, 1, 7])
    func reference(combination: Combination, pieces: Int) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "moved")
        #expect(rig.stuck("moved") == 0)
        let publish = LeavingTests.publish(20)
        try send(publish + (try Self.disconnect(.useAnotherServer, Self.reference)), broker, rig, pieces: pieces)
        #expect(try client.receive(publish.count + 4) == publish + [0xE0, 2, 0x9C, 0])
        #expect(try client.receiveToEnd() == [])
        client.peer.close()
        broker.peer.close()
        rig.reaches(.serverReferencesHidden, 1)
        rig.finish()
        #expect(rig.count(.serversSentAway) == 1 && rig.count(.serverClosed) == 1)
        #expect(rig.backend.current.servers[0].health.status == .busy)
        #expect(rig.stuck("moved") == nil)
    }

    @Test(
        "DISCONNECT without one passes as it is", arguments: everyWay,
        [(ReasonCode.sessionTakenOver, 0), (.serverShuttingDown, 1), (.quotaExceeded, 5)])
    func untouched(combination: Combination, how: (ReasonCode, Int)) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "told")
        let bytes = LeavingTests.publish(300) + (try Self.disconnect(how.0, nil)) + LeavingTests.publish(2)
        try send(bytes, broker, rig, pieces: how.1)
        #expect(try client.receive(bytes.count) == bytes)
        client.peer.close()
        broker.peer.close()
        rig.finish()
        #expect(rig.count(.serverReferencesHidden) == 0)
        #expect(rig.count(.serversSentAway) == (how.0.sendsAway ? 1 : 0))
        #expect(rig.backend.current.servers[0].health.status == (how.0.sendsAway ? .busy : .unchecked))
        #expect(rig.stuck("told") == 0)
    }

    @Test("in 3.1.1 there is none: bytes that look like one pass", arguments: Combination.all)
    func older(combination: Combination) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v311, "older")
        let bytes = (try Self.disconnect(.useAnotherServer, Self.reference)) + pingreq
        try send(bytes, broker, rig, pieces: 0)
        #expect(try client.receive(bytes.count) == bytes)
        client.peer.close()
        broker.peer.close()
        rig.finish()
        #expect(rig.count(.serverReferencesHidden) == 0)
    }

    @Test(
        "is found behind a torrent in any pieces, wherever in a buffer it stands",
        arguments: [Wrapping.tcp, .tls13, .ws, .wss], [1, 2, 3, 4, 5, 6] as [UInt64])
    func torrent(client wrapping: Wrapping, seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let server = try Listener()
        let combination = Combination(client: wrapping, server: seed % 2 == 0 ? .tcp : .wss)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "torrent")
        var stream: [UInt8] = []
        while stream.count < 1_000_000 {
            let sizes = [0, 10, 130, 5000, 65_500, 70_000, 600_000]
            stream += LeavingTests.publish(sizes[Int.random(in: 0..<sizes.count, using: &random)])
        }
        let last = try Self.disconnect(.serverMoved, Self.reference, String(repeating: "x", count: Int.random(in: 0...9000, using: &random)))
        let all = stream + last
        let cuts = (0..<20).map { _ in Int.random(in: stream.count - 200..<all.count, using: &random) } + [all.count]
        let sending = try Worker { [peer = LeavingTests.Sent(broker)] () throws -> Void in
            var place = 0
            for cut in cuts.sorted() where cut > place {
                do { try peer.peer.send(Array(all[place..<cut])) } catch { return }
                place = cut
                // Mostly seen by the loop one by one.
                usleep(1000)
            }
        }
        #expect(try client.receive(stream.count) == stream)
        #expect(try client.receiveToEnd() == [0xE0, 2, 0x9D, 0])
        try sending.join()
        client.peer.close()
        broker.peer.close()
        rig.finish()
        #expect(rig.count(.serverReferencesHidden) == 1)
    }

    @Test("begins at a buffer's last bytes", arguments: 1...8, [Wrapping.tcp, .ws])
    func edges(overlap: Int, wrapping: Wrapping) throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address], chunkSize: 4096,
            listener: { if wrapping.hasWebSocket { $0.webSocket = Configuration.WebSocketSettings(path: "/mqtt") } })
        let combination = Combination(client: wrapping, server: .tcp)
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "edges")
        let last = try Self.disconnect(.serverMoved, Self.reference)
        var publish = LeavingTests.publish(4096 - 6 - overlap)
        #expect(publish.count + overlap == 4096)
        try send(publish + last[..<overlap], broker, rig, pieces: 0)
        try send(Array(last[overlap...]), broker, rig, pieces: 1)
        publish += [0xE0, 2, 0x9D, 0]
        #expect(try client.receive(publish.count) == publish)
        #expect(try client.receiveToEnd() == [])
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    @Test("DISCONNECT that is longer than is looked at, or malformed, reaches the client as its reason", arguments: [Wrapping.tcp, .wss], [true, false])
    func unreadable(wrapping: Wrapping, isLong: Bool) throws {
        let server = try Listener()
        let combination = Combination(client: wrapping, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "verbose")
        let packet = isLong ? try Self.disconnect(.serverBusy, Self.reference, String(repeating: "x", count: 20_000)) : [0xE0, 3, 0x89, 9, 0x1C]
        try send(packet, broker, rig, pieces: 0)
        #expect(try client.receiveToEnd() == [0xE0, 2, 0x89, 0])
        client.peer.close()
        broker.peer.close()
        rig.finish()
        #expect(rig.count(.disconnectsUnreadable) == 1)
    }

    @Test("half of one, and then the end, reaches nobody", arguments: [Wrapping.tcp, .tls13, .ws])
    func half(wrapping: Wrapping) throws {
        let server = try Listener()
        let combination = Combination(client: wrapping, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "half")
        let packet = try Self.disconnect(.useAnotherServer, Self.reference)
        try send(LeavingTests.publish(5) + packet[..<20], broker, rig, pieces: 0)
        broker.peer.close()
        #expect(try client.receiveToEnd() == LeavingTests.publish(5))
        client.peer.close()
        rig.finish()
        #expect(rig.count(.serverClosed) == 1)
    }

    // MARK: CONNACK behind AUTH

    @Test("CONNACK behind AUTH decides as one that comes at once", arguments: everyWay, [0, 1])
    func authentication(combination: Combination, pieces: Int) throws {
        let server = try Listener()
        let rig = try EdgeTests.rig(combination, [server.address])
        let auth = try Self.auth("SCRAM")
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "prover", answer: auth)
        try client.send(auth)
        #expect(try broker.receive(auth.count) == auth)
        try broker.send(auth)
        #expect(try client.receive(auth.count) == auth)
        #expect(rig.stuck("prover") == nil && rig.count(.established) == 0)
        var draft = ConnackDraft(sessionPresent: true)
        draft.properties.append(.serverKeepAlive, 77)
        let connack = try draft.encode(version: .v5)
        // What stands behind it goes on as ever.
        let bytes = connack + auth + LeavingTests.publish(10)
        try send(bytes, broker, rig, pieces: pieces)
        #expect(try client.receive(bytes.count) == bytes)
        #expect(rig.stuck("prover") == 0 && rig.connectedEntries == 1 && rig.count(.established) == 1)
        try client.send(pingreq)
        #expect(try broker.receive(2) == pingreq)
        // As any other session.
        try send(try Self.disconnect(.serverMoved, Self.reference), broker, rig, pieces: 0)
        #expect(try client.receiveToEnd() == [0xE0, 2, 0x9D, 0])
        client.peer.close()
        broker.peer.close()
        rig.finish()
        #expect(rig.count(.authentications) == 1 && rig.stuck("prover") == nil)
    }

    @Test(
        "an accepting CONNACK names nobody either, and every byte behind it keeps its place", arguments: [Wrapping.tcp, .tls13, .wss],
        [true, false])
    func acceptedReference(wrapping: Wrapping, isBehindAuth: Bool) throws {
        let server = try Listener()
        let combination = Combination(client: wrapping, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        var draft = ConnackDraft()
        try draft.properties.append(.serverReference, id(Self.reference))
        draft.properties.append(.serverKeepAlive, 77)
        let said = try draft.encode(version: .v5)
        let packet = try connect("curious", .v5)
        let behind = LeavingTests.publish(10)
        let auth = isBehindAuth ? try Self.auth("X") : []
        let serving = try Worker { () throws -> Void in
            let broker = try EdgePeer(try server.accept(), isClient: false, nil)
            #expect(try broker.receive(packet.count) == packet)
            try broker.send(auth + said + behind)
            #expect(try broker.receiveToEnd() == [])
            try broker.finish()
        }
        let client = try EdgePeer(to: rig.address, wrapping)
        try client.send(packet)
        #expect(try client.receive(auth.count) == auth)
        let heard = try client.receive(said.count)
        #expect(!String(decoding: heard, as: UTF8.self).contains(Self.reference))
        guard case .connack(let connack, _) = try Connack.read(heard.span, version: .v5) else {
            Issue.record("no CONNACK")
            return
        }
        #expect(connack.disposition == .accepted && connack.serverReference == nil && connack.serverKeepAlive == 77)
        #expect(try client.receive(behind.count) == behind)
        try client.finish()
        try serving.join()
        _ = try? client.receiveToEnd()
        client.peer.close()
        rig.finish()
        #expect(rig.count(.serverReferencesHidden) == 1)
    }

    @Test("AUTH and CONNACK in one piece")
    func together() throws {
        let server = try Listener()
        let combination = Combination(client: .tcp, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        var draft = ConnackDraft()
        try draft.properties.append(.assignedClientIdentifier, id("given"))
        let answer = try Self.auth("X") + draft.encode(version: .v5)
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "", answer: answer)
        #expect(rig.stuck("given") == 0)
        client.peer.close()
        broker.peer.close()
        rig.finish()
    }

    /// What a server says behind its AUTH, and what the client hears of it.
    struct Refusing: Sendable, CustomTestStringConvertible {
        let name: String
        let said: [UInt8]
        let heard: [UInt8]
        let counter: ProxyCounter
        let isBusy: Bool
        var testDescription: String { name }
    }

    static func whatServersSay() throws -> [Refusing] {
        var moved = ConnackDraft(.useAnotherServer)
        try moved.properties.append(.serverReference, id(reference))
        return [
            Refusing(name: "refused", said: refused(0x87, .v5), heard: refused(0x87, .v5), counter: .connackRefused, isBusy: false),
            Refusing(name: "busy", said: refused(0x89, .v5), heard: refused(0x89, .v5), counter: .connackAnotherServer, isBusy: true),
            Refusing(
                name: "moved", said: try moved.encode(version: .v5), heard: refused(0x9C, .v5), counter: .serverReferencesHidden,
                isBusy: true),
            Refusing(
                name: "no CONNACK", said: LeavingTests.publish(3), heard: refused(0x88, .v5), counter: .connackMalformed, isBusy: false),
            Refusing(
                name: "DISCONNECT", said: try disconnect(.serverBusy, reference), heard: [0xE0, 2, 0x89, 0],
                counter: .serverReferencesHidden, isBusy: true),
        ]
    }

    @Test("a refusal behind AUTH is the client's, teaches nothing, and names nobody", arguments: try LookingTests.whatServersSay(), [Wrapping.tcp, .tls13, .ws])
    func refusals(refusing: Refusing, wrapping: Wrapping) throws {
        let server = try Listener()
        let combination = Combination(client: wrapping, server: .tcp)
        let rig = try EdgeTests.rig(combination, [server.address])
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "stranger", answer: try Self.auth("X"))
        try send(refusing.said, broker, rig, pieces: 1)
        broker.peer.close()
        #expect(try client.receiveToEnd() == refusing.heard)
        client.peer.close()
        rig.finish()
        #expect(rig.count(refusing.counter) == 1)
        #expect(rig.stuck("stranger") == nil && rig.count(.established) == 0)
        #expect((rig.backend.current.servers[0].health.status == .busy) == refusing.isBusy)
    }

    @Test("no CONNACK in time behind AUTH ends the session; each word of the server begins the time anew", arguments: [Wrapping.tcp, .tls13])
    func deadline(wrapping: Wrapping) throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address], tls: wrapping.hasTLS ? Certificates.server() : nil, backend: { $0.connackTimeout = .milliseconds(400) })
        let combination = Combination(client: wrapping, server: .tcp)
        let auth = try Self.auth("X")
        let (client, broker) = try LeavingTests.pair(rig, server, combination, .v5, "slow", answer: auth)
        let began = Clock.now
        #expect(try client.receiveToEnd() == refused(0x88, .v5))
        #expect(Clock.now - began > .milliseconds(200))
        client.peer.close()
        broker.peer.close()
        rig.reaches(.authenticationDeadline, 1)
        rig.finish()
        #expect(rig.count(.connackTimeout) == 1)
    }
}
