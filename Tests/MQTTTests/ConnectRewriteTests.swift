// The rewriter: exact for all versions, flags, wills and properties, whatever lengths become.

import MQTT
import Testing
import Wire

@Suite("Rewriting CONNECT")
struct ConnectRewriteTests {
    private func rewrite(
        _ bytes: [UInt8], _ rewrite: ConnectRewrite, _ policy: ConnectPolicy = ConnectPolicy()
    ) throws -> Result<[UInt8], ConnectRewrite.Refusal> {
        let connect = try #require(Self.connect(in: bytes, policy))
        do throws(ConnectRewrite.Refusal) {
            return .success(try rewrite.rewritten(connect, in: bytes.span, policy: policy))
        } catch {
            return .failure(error)
        }
    }

    private static func connect(in bytes: [UInt8], _ policy: ConnectPolicy) -> Connect? {
        guard case .success(.connect(let connect, _)) = sniff(bytes, policy: policy) else { return nil }
        return connect
    }

    @Test("byte for byte", arguments: ["MQTT", "MQIsdp"])
    func exact(_ name: String) throws {
        let start = name == "MQTT" ? "0004 'MQTT' 84" : "0006 'MQIsdp' 03"
        let bytes = packet(0x10, hex(start + "F6 003C 0003 'dev' 0004 'will' 0003 'bye' 0001 'u' 0001 'p'"))
        let all = ConnectRewrite(
            clientID: hex("'tenant/dev'"), username: .set(hex("'cn=dev-1'")), password: .set(hex("00FF")))
        let expected = packet(
            0x10,
            hex(start + "F6 003C 000A 'tenant/dev' 0004 'will' 0003 'bye' 0008 'cn=dev-1' 0002 00FF"))
        #expect(try rewrite(bytes, all) == .success(expected))
        let name = packet(0x10, hex(start + "F6 003C 0003 'dev' 0004 'will' 0003 'bye' 0001 'n' 0001 'p'"))
        #expect(try rewrite(bytes, ConnectRewrite(username: .set(hex("'n'")))) == .success(name))
        let bare = packet(0x10, hex(start + "36 003C 0003 'dev' 0004 'will' 0003 'bye'"))
        #expect(try rewrite(bytes, ConnectRewrite(username: .remove, password: .remove)) == .success(bare))
        // In 3.x no password stays without a username.
        #expect(try rewrite(bytes, ConnectRewrite(username: .remove)) == .success(bare))
        let open = packet(0x10, hex(start + "B6 003C 0003 'dev' 0004 'will' 0003 'bye' 0001 'u'"))
        #expect(try rewrite(bytes, ConnectRewrite(password: .remove)) == .success(open))
    }

    @Test("with every flag a CONNECT may have: another client ID, and everything else as it was", arguments: ProtocolVersion.allCases)
    func flags(_ version: ProtocolVersion) throws {
        let change = ConnectRewrite(clientID: hex("'1A2B3C4D5E'"))
        var seen: Set<UInt8> = []
        for flags in UInt8.min...UInt8.max {
            let (hasWill, qos, isRetained) = (flags & 4 != 0, flags >> 3 & 3, flags & 0x20 != 0)
            let (hasUsername, hasPassword) = (flags & 0x80 != 0, flags & 0x40 != 0)
            // What the specifications forbid (MQTT 5.0 and 3.1.1, 3.1.2.3) is refused before it is rewritten.
            guard flags & 1 == 0, qos < 3, hasWill || qos == 0 && !isRetained else { continue }
            guard version == .v5 || hasUsername || !hasPassword else { continue }
            var draft = ConnectDraft(version: version, clientID: hex("'d'"))
            draft.isCleanStart = flags & 2 != 0
            if hasWill { draft.will = .init(topic: hex("'t'"), payload: hex("'m'"), qos: qos, isRetained: isRetained) }
            if hasUsername { draft.username = hex("'u'") }
            if hasPassword { draft.password = hex("'p'") }
            let result = try rewrite(try draft.encode(), change).get()
            let connect = try #require(Self.connect(in: result, ConnectPolicy()))
            draft.clientID = hex("'1A2B3C4D5E'")
            #expect(connect.flags == flags && ConnectDraft(connect, in: result.span) == draft, "\(flags)")
            seen.insert(flags)
        }
        // Clean or not; no will, or one of three QoS, kept or not; username and password.
        #expect(seen.count == 2 * (1 + 3 * 2) * (version == .v5 ? 4 : 3))
    }

    @Test func `5.0 keeps its properties, and a password alone`() throws {
        let properties = "11 00000001 26 0001'a'0001'b'"
        let will = "18 0000000A 26 0001'a'0001'b'"
        let bytes = packet(
            0x10,
            hex("0004 'MQTT' 05 C6 003C 0C" + properties + "0001 'd' 0C" + will + "0001 't' 0001 'm' 0001 'u' 0001 'p'")
        )
        let longer = ConnectRewrite(clientID: hex("'d2'"), username: .remove, password: .set(hex("'pw'")))
        let expected = packet(
            0x10,
            hex("0004 'MQTT' 05 46 003C 0C" + properties + "0002 'd2' 0C" + will + "0001 't' 0001 'm' 0002 'pw'"))
        #expect(try rewrite(bytes, longer) == .success(expected))
        let kept = packet(
            0x10, hex("0004 'MQTT' 05 46 003C 0C" + properties + "0001 'd' 0C" + will + "0001 't' 0001 'm' 0001 'p'"))
        #expect(try rewrite(bytes, ConnectRewrite(username: .remove)) == .success(kept))
        // Nothing to change: nothing is touched, a length in more bytes than it needs neither.
        let padded = hex("10 8D00 0004 'MQTT' 04 02 000A 0001 'p'")
        #expect(ConnectRewrite().isEmpty)
        #expect(try rewrite(padded + [0xC0, 0], ConnectRewrite()) == .success(padded))
    }

    @Test func `What 3.1 announces and does not send does not mislead`() throws {
        let bytes = packet(0x14, hex("0006 'MQIsdp' 03 C3 000A 0001 'p'"))
        #expect(
            try rewrite(bytes, ConnectRewrite(clientID: hex("'q'")))
                == .success(packet(0x14, hex("0006 'MQIsdp' 03 C3 000A 0001 'q'"))))
        #expect(
            try rewrite(bytes, ConnectRewrite(username: .remove))
                == .success(packet(0x14, hex("0006 'MQIsdp' 03 03 000A 0001 'p'"))))
        #expect(
            try rewrite(bytes, ConnectRewrite(password: .remove))
                == .success(packet(0x14, hex("0006 'MQIsdp' 03 83 000A 0001 'p'"))))
        #expect(
            try rewrite(bytes, ConnectRewrite(password: .set([1]))) == .failure(.violation(.passwordWithoutUsername)))
        let both = ConnectRewrite(username: .set(hex("'u'")), password: .set([1]))
        #expect(
            try rewrite(bytes, both)
                == .success(packet(0x14, hex("0006 'MQIsdp' 03 C3 000A 0001 'p' 0001 'u' 0001 01"))))
    }

    @Test(
        "what is refused",
        arguments: [
            ("04 02", ConnectRewrite(password: .set([1])), .violation(.passwordWithoutUsername)),
            ("04 02", ConnectRewrite(username: .remove, password: .set([1])), .violation(.passwordWithoutUsername)),
            ("05 02", ConnectRewrite(password: .set([1])), nil),
            ("04 02", ConnectRewrite(clientID: []), nil), ("05 00", ConnectRewrite(clientID: []), nil),
            ("04 00", ConnectRewrite(clientID: []), .violation(.clientIdentifierEmpty)),
            ("04 02", ConnectRewrite(clientID: [0xFF]), .violation(.utf8)),
            ("04 02", ConnectRewrite(clientID: [0x41, 0]), .violation(.utf8Null)),
            ("05 02", ConnectRewrite(username: .set([0x0A])), .violation(.utf8Control)),
            ("04 02", ConnectRewrite(username: .set([])), nil),
            ("04 02", ConnectRewrite(clientID: [UInt8](repeating: 0x61, count: 65_536)), .oversize),
            ("04 02", ConnectRewrite(clientID: [UInt8](repeating: 0x61, count: 65_535)), nil),
            ("05 02", ConnectRewrite(password: .set([UInt8](repeating: 0, count: 65_536))), .oversize),
        ] as [(String, ConnectRewrite, ConnectRewrite.Refusal?)])
    func refused(_ start: String, _ change: ConnectRewrite, _ refusal: ConnectRewrite.Refusal?) throws {
        let bytes = packet(0x10, hex("0004 'MQTT'" + start + "000A" + (start.hasPrefix("05") ? "00" : "") + "0001 'p'"))
        let policy = ConnectPolicy(maximumLength: 70_000)
        switch try rewrite(bytes, change, policy) {
        case .success(let result):
            #expect(refusal == nil)
            #expect(Self.connect(in: result, policy) != nil)
        case .failure(let error): #expect(error == refusal)
        }
        let lenient = ConnectPolicy(acceptsControlCharacters: true)
        #expect(throws: Never.self) { try rewrite(bytes, ConnectRewrite(username: .set([0x0A])), lenient).get() }
    }

    @Test("across the steps of the remaining length", arguments: ProtocolVersion.allCases, [128, 16_384, 2_097_152])
    func lengths(_ version: ProtocolVersion, _ step: Int) throws {
        let policy = ConnectPolicy(maximumLength: 3_000_000)
        // Beyond what fields can hold in 3.x there is no such packet.
        if step > 200_000, version != .v5 { return }
        var draft = ConnectDraft(version: version, clientID: hex("'p'"))
        draft.will = .init(topic: hex("'t'"), payload: [])
        while try draft.encode().count < step - 66_000 {
            try draft.properties.append(user: hex("'k'"), [UInt8](repeating: 0x76, count: 60_000))
        }
        let missing = step - 40 - (try draft.encode().count)
        if missing > 0 { draft.will?.payload = [UInt8](repeating: 7, count: missing) }
        // On both sides of the step, and close to it.
        var lengthBytes: Set<Int> = []
        let bytes = try draft.encode()
        for count in [1] + Array(38...48) + [60] {
            let id = [UInt8](repeating: 0x69, count: count)
            let result = try rewrite(bytes, ConnectRewrite(clientID: id), policy).get()
            var expected = draft
            expected.clientID = id
            #expect(try result == expected.encode())
            let connect = try #require(Self.connect(in: result, policy))
            #expect(connect.length == result.count && ConnectDraft(connect, in: result.span) == expected)
            lengthBytes.insert(result.prefix(5).dropFirst().prefix { $0 & 0x80 != 0 }.count + 1)
        }
        #expect(lengthBytes.count == 2, "\(lengthBytes)")
        // Back again it is what it was.
        let there = try rewrite(
            try draft.encode(), ConnectRewrite(clientID: [UInt8](repeating: 0x69, count: 60)), policy
        ).get()
        #expect(try rewrite(there, ConnectRewrite(clientID: hex("'p'")), policy).get() == draft.encode())
    }

    @Test("any CONNECT, any change", arguments: 1...4 as ClosedRange<UInt64>)
    func any(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        func bytes() -> [UInt8] {
            (0..<([0, 1, 5, 120, 130].randomElement(using: &random) ?? 0)).map { _ in
                UInt8.random(in: 0x20...0x7E, using: &random)
            }
        }
        func change() -> ConnectRewrite.Change {
            switch Int.random(in: 0...2, using: &random) {
            case 0: .keep
            case 1: .remove
            default: .set(bytes())
            }
        }
        let corpus = validConnects.map(\.bytes).filter { $0.count < 2000 }
        for round in 0..<1500 {
            let bytes0 = corpus[Int.random(in: 0..<corpus.count, using: &random)]
            let connect = try #require(Self.connect(in: bytes0, ConnectPolicy()))
            let before = ConnectDraft(connect, in: bytes0.span)
            let change = ConnectRewrite(
                clientID: Bool.random(using: &random) ? bytes() : nil, username: change(), password: change())
            guard case .success(let result) = try rewrite(bytes0, change) else { continue }
            let again = try #require(Self.connect(in: result, ConnectPolicy()), "seed \(seed), round \(round)")
            let after = ConnectDraft(again, in: result.span)
            #expect(after.clientID == change.clientID ?? before.clientID, "seed \(seed), round \(round)")
            if case .set(let username) = change.username { #expect(after.username == username) }
            if case .set(let password) = change.password { #expect(after.password == password) }
            if change.username == .keep { #expect(after.username == before.username) }
            if change.username == .remove { #expect(after.username == nil) }
            if change.password == .remove { #expect(after.password == nil) }
            #expect(again.firstByte == connect.firstByte && (again.flags ^ connect.flags) & 0x3F == 0)
            #expect(after.will == before.will && after.properties == before.properties)
            #expect(after.keepAlive == before.keepAlive && after.version == before.version)
            #expect(after.isBridge == before.isBridge && after.isCleanStart == before.isCleanStart)
        }
    }
}
