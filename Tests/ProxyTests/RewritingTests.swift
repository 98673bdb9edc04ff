// CONNECTs that servers see with another identity.

import Configuration
import Linux
import MQTT
import TLS
import Testing
import Wire

@testable import Proxy

@Suite("A rewritten CONNECT")
struct RewritingTests {
    /// A CONNECT with everything in it that its version has.
    private static func full(_ version: ProtocolVersion) throws -> ConnectDraft {
        var draft = ConnectDraft(version: version, clientID: id("device-1"), keepAlive: 30)
        draft.isCleanStart = false
        draft.username = id("user")
        draft.password = [0, 1, 2, 255]
        draft.will = ConnectDraft.Will(
            topic: id("gone/device-1"), payload: [UInt8](repeating: 9, count: 300), qos: 1, isRetained: true)
        if version == .v5 { draft.properties = Properties(encoded: [0x11, 0, 0, 0, 60, 0x21, 0, 10]) }
        return draft
    }

    /// Sends a CONNECT through and returns what a server got.
    private func passed(
        _ draft: ConnectDraft, keys: [String: IdentityKey] = [:], header: [UInt8] = [],
        _ change: (inout Configuration.ListenerSettings) -> Void
    ) throws -> (draft: ConnectDraft, session: SessionListing.Session) {
        let server = try Listener()
        let rig = try Rig([server.address], keys: keys, listener: change)
        let client = try rig.client()
        let packet = try draft.encode()
        try client.send(header + packet + pingreq)
        let broker = try server.accept()
        var received: [UInt8] = []
        while true {
            received += try broker.receiveSome()
            guard case .connect(let connect, let length) = try ConnectSniffer().sniff(received.span) else { continue }
            #expect(length == received.count, "nothing behind CONNECT before CONNACK")
            let seen = ConnectDraft(connect, in: received.span)
            try broker.send(accepted(draft.version))
            _ = try client.receive(accepted(draft.version).count)
            #expect(try broker.receive(2) == pingreq)
            let session = try #require(try rig.listing().first)
            #expect(Int(session.added) == length)
            #expect(Int(session.skipped) == header.count && Int(session.replaced) == packet.count)
            client.close()
            broker.close()
            rig.finish()
            return (seen, session)
        }
    }

    @Test("keeps everything else as it was", arguments: ProtocolVersion.allCases)
    func keeps(version: ProtocolVersion) throws {
        let original = try Self.full(version)
        let (seen, session) = try passed(original) {
            $0.rewriting.clientID = .from(.sourceAddress, keyFile: nil)
        }
        var expected = original
        expected.clientID = id("127.0.0.1")
        #expect(seen == expected)
        #expect(session.clientID == id("127.0.0.1"), "the stick table's key is what servers see")
        #expect(session.original == id("device-1"))
    }

    @Test("has the username and password it is told to have", arguments: ProtocolVersion.allCases)
    func credentials(version: ProtocolVersion) throws {
        var bare = ConnectDraft(version: version, clientID: id("device-1"))
        let (seen, session) = try passed(bare) {
            $0.rewriting.username = .from(.clientID, keyFile: nil)
            $0.rewriting.password = .from(.sourceAddress, keyFile: nil)
        }
        bare.username = id("device-1")
        bare.password = id("127.0.0.1")
        #expect(seen == bare)
        #expect(session.original == nil, "the client ID is the device's own")

        var full = try Self.full(version)
        let removed = try passed(full) {
            $0.rewriting.username = .remove
            $0.rewriting.password = .remove
        }
        full.username = nil
        full.password = nil
        #expect(removed.draft == full)
    }

    @Test("takes a name from the certificate that a trusted proxy verified")
    func certificate() throws {
        let header = Header.v2([0x21, 0x11], Header.v4 + Header.tlv(2, id("eu.example")) + Header.ssl(id("meter-7")))
        let (seen, session) = try passed(try Self.full(.v5), header: header) {
            $0.proxyAcceptance = .loopback
            $0.rewriting.clientID = .from(.certificateCommonName, keyFile: nil)
            $0.rewriting.username = .from(.serverName, keyFile: nil)
            $0.rewriting.password = .from(.sourceAddress, keyFile: nil)
        }
        #expect(seen.clientID == id("meter-7"))
        #expect(seen.username == id("eu.example"))
        #expect(seen.password == id("192.0.2.1"))
        #expect(session.original == id("device-1"))
    }

    @Test("hides an identity behind a keyed hash, and the operator finds it again")
    func hashed() throws {
        let key = try IdentityKey(.generate())
        let pseudonym = try key.pseudonym(of: id("device-1"))
        #expect(pseudonym.count == 32)
        #expect(try IdentityKey(.generate()).pseudonym(of: id("device-1")) != pseudonym)
        #expect(try key.pseudonym(of: id("device-2")) != pseudonym)
        for version in ProtocolVersion.allCases {
            let (seen, session) = try passed(try Self.full(version), keys: ["/key": key]) {
                $0.rewriting.clientID = .from(.clientID, keyFile: "/key")
            }
            #expect(seen.clientID == pseudonym)
            #expect(session.clientID == pseudonym)
            #expect(session.original == id("device-1"))
        }
    }

    @Test("sticks by the identity servers see")
    func sticks() throws {
        let brokers = try (0..<2).map { _ in try Broker() }
        defer { for broker in brokers { broker.stop() } }
        let rig = try Rig(
            brokers.map(\.address), listener: { $0.rewriting.clientID = .from(.sourceAddress, keyFile: nil) })
        let first = try rig.session("a")
        let second = try rig.session("b")
        #expect(rig.stuck("127.0.0.1") == 0)
        #expect(rig.stuck("a") == nil)
        #expect(rig.loads == [2, 0], "round robin would have gone on")
        first.close()
        second.close()
        rig.finish()
    }

    @Test("is not sent without its source: the client is refused in its own words", arguments: ProtocolVersion.allCases)
    func missing(version: ProtocolVersion) throws {
        let server = try Listener()
        let sources: [(Configuration.IdentitySource, [UInt8])] = [
            (.certificateSerial, Header.v2([0x21, 0x11], Header.v4 + Header.ssl(id("meter-7")))),
            (.certificateCommonName, Header.v2([0x21, 0x11], Header.v4)),
            (.certificateCommonName, Header.v2([0x21, 0x11], Header.v4 + Header.ssl(id("forged"), verify: 20))),
            (.serverName, Header.v2([0x20, 0x00], [])),
            (.username, Header.v2([0x20, 0x00], [])),
        ]
        for (source, header) in sources {
            let rig = try Rig(
                [server.address],
                listener: {
                    $0.proxyAcceptance = .loopback
                    $0.rewriting.clientID = .from(source, keyFile: nil)
                })
            let client = try rig.client()
            try client.send(header + (try connect("nobody", version)))
            let (answer, ending) = try client.receiveToEnd()
            #expect(answer == refused(version == .v5 ? 0x87 : 5, version))
            #expect(ending == .closed)
            rig.reaches(.identityMissing, 1)
            rig.reaches(.identityRefused, 1)
            client.close()
            rig.finish()
        }
        #expect(!server.isKnocked(within: 0), "no server is asked")
    }

    @Test("is not sent with something that is no identity")
    func unusable() throws {
        let server = try Listener()
        // 3.1.1 has no password without a username.
        let rig = try Rig([server.address], listener: { $0.rewriting.password = .from(.sourceAddress, keyFile: nil) })
        let client = try rig.client()
        try client.send(try connect("no-username"))
        #expect(try client.receiveToEnd().bytes == refused(5))
        rig.reaches(.identityUnusable, 1)
        client.close()
        #expect(!server.isKnocked(within: 0), "no server is asked")
        rig.finish()
    }

    @Test("has every fact of a verified certificate at hand, and none of another")
    func facts() throws {
        var facts = SessionFacts()
        facts.username = id("user")
        facts.tls = TLSFacts(
            version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", serverName: "eu.example",
            certificate: CertificateFacts(
                subject: "CN=meter-7,O=Example", issuer: "CN=CA", commonName: "meter-7", serial: "0A1B",
                alternativeNames: ["meter-7.example", "10.0.0.7"], fingerprint: "ab", validity: 0...1),
            isVerified: true)
        let expected: [Configuration.IdentitySource: String] = [
            .clientID: "device", .username: "user", .certificateSerial: "0A1B",
            .certificateName: "CN=meter-7,O=Example", .certificateCommonName: "meter-7",
            .certificateAlternativeName: "meter-7.example", .certificateFingerprint: "ab", .serverName: "eu.example",
            .sourceAddress: "2001:db8::1",
        ]
        let address = try #require(IPAddress("2001:db8::1"))
        for source in Configuration.IdentitySource.allCases {
            var rewriting = Configuration.Rewriting()
            rewriting.clientID = .from(source, keyFile: nil)
            let policy = IdentityPolicy(rewriting)
            facts.tls?.isVerified = true
            let rewrite = try policy.rewrite(clientID: id("device"), address: address, facts)
            #expect(rewrite.clientID == expected[source].map(id))
            facts.tls?.isVerified = false
            if source.needsCertificate {
                #expect(throws: IdentityPolicy.Refusal.missing(source)) {
                    try policy.rewrite(clientID: id("device"), address: address, facts)
                }
            }
        }
    }
}
