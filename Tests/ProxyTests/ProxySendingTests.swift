// PROXY headers to servers: what they say, and that they go with the CONNECT in one write.

import Balancing
import Configuration
import Glibc
import Linux
import MQTT
import ProxyProtocol
import TLS
import Testing
import Wire

@testable import Proxy

@Suite("A PROXY header to a server")
struct ProxySendingTests {
    /// Every field that version 2 can tell.
    static let full: Configuration.ProxySending = {
        var sending = Configuration.ProxySending(version: 2)
        sending.fields = Set(Configuration.ProxySending.Field.allCases)
        return sending
    }()

    private func read(_ bytes: [UInt8]) throws -> (header: ProxyHeader, draft: ProxyHeaderDraft) {
        guard case .header(let header) = try ProxyHeaderReader().read(bytes.span) else {
            throw Peer.Failure.ended(after: bytes.count)
        }
        return (header, ProxyHeaderDraft(header, in: bytes.span))
    }

    @Test("of version 1 names both ends, in one segment with the CONNECT")
    func line() throws {
        let server = try Listener()
        let rig = try Rig([server.address], backend: { $0.proxySending = .init(version: 1) })
        let client = try rig.client()
        let own = try #require(Socket.localAddress(client.number))
        let packet = try connect("told", .v5)
        try client.send(packet + pingreq)
        let broker = try server.accept()
        let line = id("PROXY TCP4 127.0.0.1 127.0.0.1 \(own.port) \(rig.address.port)\r\n")
        #expect(try broker.receiveSome() == line + packet, "one write: one read")
        #expect(!broker.happens(POLLIN, within: 50), "nothing behind CONNECT may be sent before CONNACK")
        try broker.send(accepted(.v5))
        #expect(try client.receive(5) == accepted(.v5))
        #expect(try broker.receive(2) == pingreq)
        let session = try #require(try rig.listing().first)
        #expect(session.bytesUp == UInt64(packet.count + 2))
        #expect(session.skipped == 0 && Int(session.replaced) == packet.count)
        #expect(Int(session.added) == line.count + packet.count)
        client.close()
        broker.close()
        rig.finish()
    }

    @Test("of version 2 passes on what a trusted proxy in front has said")
    func passesOn() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address], listener: { $0.proxyAcceptance = .loopback }, backend: { $0.proxySending = Self.full })
        let client = try rig.client()
        let packet = try connect("told")
        let fields =
            Header.tlv(1, id("mqtt")) + Header.tlv(2, id("Broker.Example.org")) + Header.tlv(5, [1, 2, 3])
            + Header.ssl(id("meter-7"))
        try client.send(Header.v2([0x21, 0x21], Header.mapped + fields) + packet)
        let broker = try server.accept()
        let bytes = try broker.receiveSome()
        let (header, draft) = try read(bytes)
        #expect(Array(bytes[header.length...]) == packet)
        #expect(header.client == SocketAddress("192.0.2.1:56324"))
        #expect(
            draft.origin
                == .internet(
                    source: try #require(SocketAddress("192.0.2.1:56324")),
                    destination: try #require(SocketAddress("192.0.2.2:1883"))), "IPv4 is never dressed as IPv6")
        #expect(draft.alpn == id("mqtt"))
        #expect(draft.authority == id("broker.example.org"))
        #expect(draft.uniqueID == [1, 2, 3])
        #expect(draft.ssl?.client == 7)
        #expect(draft.ssl?.verify == 0)
        #expect(draft.ssl?.version == id("TLSv1.3"))
        #expect(draft.ssl?.commonName == id("meter-7"))
        #expect(header.isChecked)
        client.close()
        broker.close()
        rig.finish()
    }

    @Test("says nothing of TLS where there is none, and names the session")
    func plain() throws {
        let server = try Listener()
        let rig = try Rig([server.address], backend: { $0.proxySending = Self.full })
        var names: Set<[UInt8]> = []
        for _ in 0..<3 {
            let client = try rig.client()
            try client.send(try connect("plain"))
            let broker = try server.accept()
            let (_, draft) = try read(try broker.receiveSome())
            #expect(draft.ssl == nil && draft.authority == nil && draft.alpn == nil)
            names.insert(try #require(draft.uniqueID))
            client.close()
            broker.close()
        }
        #expect(names.count == 3)
        rig.finish()
    }

    @Test("never carries control characters, whoever sent them")
    func control() throws {
        let server = try Listener()
        let rig = try Rig(
            [server.address], listener: { $0.proxyAcceptance = .loopback }, backend: { $0.proxySending = Self.full })
        let client = try rig.client()
        let fields = Header.tlv(2, id("a\r\nb")) + Header.ssl(id("meter\u{7}"))
        try client.send(Header.v2([0x21, 0x11], Header.v4 + fields) + (try connect("told")))
        let broker = try server.accept()
        let (_, draft) = try read(try broker.receiveSome())
        #expect(draft.authority == nil)
        #expect(draft.ssl?.commonName == nil)
        client.close()
        broker.close()
        rig.finish()

        var facts = SessionFacts()
        facts.destination = SocketAddress("192.0.2.2:1883")
        facts.serverName = "a\u{1}b"
        let client2 = try #require(SocketAddress("192.0.2.1:56324"))
        #expect(throws: ProxyHeaderDraft.Refusal.controlCharacter(type: TLVType.authority)) {
            try ProxyGreeting.header(Self.full, client: client2, facts, uniqueID: "1")
        }
    }

    @Test("tells how a certificate was verified", arguments: [true, false], [true, false])
    func certificates(isVerified: Bool, isResumed: Bool) throws {
        var facts = SessionFacts()
        facts.destination = SocketAddress("[2001:db8::2]:8883")
        facts.tls = TLSFacts(
            version: "TLSv1.2", cipher: "ECDHE-RSA-AES128-GCM-SHA256", serverName: "sni.example", isResumed: isResumed,
            certificate: CertificateFacts(
                subject: "CN=meter-7,O=Example", issuer: "CN=CA", commonName: "meter-7", serial: "0A",
                alternativeNames: [], fingerprint: "ff", validity: 0...1), isVerified: isVerified)
        let client = try #require(SocketAddress("192.0.2.1:56324"))
        let header = try ProxyGreeting.header(Self.full, client: client, facts, uniqueID: "1")
        let (read, draft) = try read(header.bytes)
        #expect(draft.ssl?.client == (isResumed ? 5 : 7))
        #expect(draft.ssl?.verify == (isVerified ? 0 : 1))
        #expect(draft.ssl?.cipher == id("ECDHE-RSA-AES128-GCM-SHA256"))
        #expect(draft.authority == id("sni.example"))
        #expect(read.client == client, "mixed families are written as IPv6 and read back")
        #expect(header.bytes.count <= ProxyHeaderDraft.usualLimit)
    }

    @Test("goes to the next server whole again")
    func replays() throws {
        let first = try Listener()
        let second = try Listener()
        let rig = try Rig([first.address, second.address], backend: { $0.proxySending = .init(version: 2) })
        let client = try rig.client()
        let packet = try connect("again")
        try client.send(packet)
        let bad = try first.accept()
        let bytes = try bad.receiveSome()
        bad.close()
        let good = try second.accept()
        #expect(try good.receive(bytes.count) == bytes)
        #expect(Array(bytes[28...]) == packet)
        try good.send(accepted())
        #expect(try client.receive(4) == accepted())
        #expect(rig.count(.replays) == 1)
        client.close()
        good.close()
        rig.finish()
    }

    @Test("and a refusal that comes before the whole CONNECT was read reaches the client")
    func earlyRefusal() throws {
        let server = try Listener(receiveBuffer: 4096)
        let rig = try Rig(
            [server.address], chunkSize: 1 << 20, listener: { $0.maximumConnectSize = 1 << 20 },
            backend: { $0.proxySending = .init(version: 2) })
        var draft = ConnectDraft(version: .v311, clientID: id("large"))
        draft.will = ConnectDraft.Will(topic: id("a"), payload: [UInt8](repeating: 1, count: 65_000))
        draft.username = [UInt8](repeating: 0x61, count: 65_000)
        draft.password = [UInt8](repeating: 2, count: 65_000)
        let packet = try draft.encode()
        let client = try rig.client()
        let sending = try Worker { try client.send(packet) }
        let broker = try server.accept()
        _ = try broker.receive(100)
        try broker.send(refused(5))
        // It goes on reading, and only then is its answer looked at.
        _ = try broker.receive(28 + packet.count - 100)
        #expect(try client.receive(4) == refused(5))
        try sending.join()
        client.close()
        broker.close()
        rig.finish()
    }
}
