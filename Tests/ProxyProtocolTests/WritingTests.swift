// What we write: within limits, without control characters, and read back the same.

import ProxyProtocol
import Testing
import Wire

@Suite("Writing PROXY headers")
struct WritingTests {
    private func draft() throws -> ProxyHeaderDraft {
        ProxyHeaderDraft(.internet(source: try socket("192.0.2.1", 56324), destination: try socket("192.0.2.2", 1883)))
    }

    @Test func `The usual header, byte for byte`() throws {
        var draft = try draft()
        draft.alpn = hex("'mqtt'")
        draft.authority = hex("'a.b'")
        draft.uniqueID = hex("'u1'")
        draft.ssl = .init(
            client: 3, version: hex("'TLSv1.3'"), commonName: hex("'dev-1'"), cipher: hex("'TLS_AES_128_GCM_SHA256'"))
        draft.isChecked = true
        let bytes = try draft.encodeV2().bytes
        let expected =
            hex("0D0A0D0A000D0A515549540A 21 11 0058 C0000201 C0000202 DC04 075B")
            + hex("01 0004 'mqtt' 02 0003 'a.b' 05 0002 'u1'")
            + hex("20 0030 03 00000000 21 0007 'TLSv1.3' 22 0005 'dev-1' 23 0016 'TLS_AES_128_GCM_SHA256' 03 0004")
        #expect(Array(bytes.dropLast(4)) == expected)
        #expect(ProxyHeaderDraft(try header(in: bytes), in: bytes.span) == draft)
    }

    @Test func `Checks say LOCAL and nothing else`() throws {
        var local = ProxyHeaderDraft(.local)
        local.authority = hex("'x'")
        local.isChecked = true
        #expect(try local.encodeV2().bytes == signature + hex("20 00 0000"))
        #expect(try ProxyHeaderDraft(.unknown).encodeV2().bytes == signature + hex("21 00 0000"))
    }

    @Test func `Mixed families are written as IPv6`() throws {
        let mixed = ProxyHeaderDraft(
            .internet(source: try socket("192.0.2.1", 1), destination: try socket("2001:db8::2", 2)))
        let bytes = try mixed.encodeV2().bytes
        #expect(bytes[13] == 0x21 && bytes.count == 52)
        #expect(try header(in: bytes).client == (try socket("192.0.2.1", 1)))
    }

    @Test func `What no server needs goes first, who the client is never`() throws {
        var draft = try draft()
        draft.authority = hex("'a.b'")
        draft.uniqueID = [UInt8](repeating: 0x75, count: 128)
        draft.alpn = hex("'mqtt'")
        draft.networkNamespace = [UInt8](repeating: 0x6E, count: 100)
        draft.others = [.init(type: 0xE0, value: [UInt8](repeating: 1, count: 300))]
        draft.ssl = .init(commonName: hex("'dev-1'"), cipher: hex("'C'"))
        draft.ssl?.clientCertificate = [UInt8](repeating: 0x30, count: 200)
        draft.isChecked = true
        let usual = try draft.encodeV2()
        #expect(usual.bytes.count <= 500)
        #expect(usual.dropped == [0xE0, TLVType.networkNamespace])
        let smallest = try draft.encodeV2(limit: 60)
        #expect(
            smallest.dropped == [
                0xE0, TLVType.networkNamespace, TLVType.uniqueID, TLVType.alpn, TLVType.sslClientCertificate,
                TLVType.sslCipher,
            ])
        let left = ProxyHeaderDraft(try header(in: smallest.bytes), in: smallest.bytes.span)
        #expect(left.ssl == .init(commonName: hex("'dev-1'")) && left.authority == draft.authority && left.isChecked)
        #expect(throws: ProxyHeaderDraft.Refusal.tooLong(count: smallest.bytes.count, limit: 30)) {
            try draft.encodeV2(limit: 30)
        }
        #expect(try draft.encodeV2(limit: 4096).dropped.isEmpty)
        draft.ssl?.commonName = [UInt8](repeating: 0x61, count: 70_000)
        #expect(throws: ProxyHeaderDraft.Refusal.self) { try draft.encodeV2(limit: .max) }
    }

    @Test("control characters are never written", arguments: ["00", "0A", "1F", "7F", "41C285", "C29F"])
    func controls(_ text: String) throws {
        for type in [TLVType.authority, TLVType.sslVersion, TLVType.sslCommonName, TLVType.sslCipher] {
            var draft = try draft()
            draft.ssl = .init()
            switch type {
            case TLVType.authority: draft.authority = hex(text)
            case TLVType.sslVersion: draft.ssl?.version = hex(text)
            case TLVType.sslCommonName: draft.ssl?.commonName = hex(text)
            default: draft.ssl?.cipher = hex(text)
            }
            #expect(throws: ProxyHeaderDraft.Refusal.controlCharacter(type: type)) { try draft.encodeV2() }
        }
        var fine = try draft()
        fine.authority = hex("C3A9 C2A0 E282AC 7E 20")
        #expect(throws: Never.self) { try fine.encodeV2() }
    }

    @Test func `Fields have their lengths`() throws {
        var draft = try draft()
        draft.uniqueID = [UInt8](repeating: 1, count: 129)
        #expect(throws: ProxyHeaderDraft.Refusal.fieldTooLong(count: 129)) { try draft.encodeV2() }
        let path = ProxyHeaderDraft(.unix(source: [UInt8](repeating: 1, count: 109), destination: []))
        #expect(throws: ProxyHeaderDraft.Refusal.fieldTooLong(count: 109)) { try path.encodeV2() }
    }

    private func bytes(_ lengths: ClosedRange<Int>, _ random: inout SeededGenerator) -> [UInt8]? {
        guard Bool.random(using: &random) else { return nil }
        return (0..<Int.random(in: lengths, using: &random)).map { _ in UInt8.random(in: 0x20...0x7E, using: &random) }
    }

    private func address(_ isV4: Bool, _ random: inout SeededGenerator) -> SocketAddress {
        let address: IPAddress =
            isV4
            ? .v4(IPv4Address(UInt32.random(in: 0 ... .max, using: &random)))
            : .v6(IPv6Address(high: random.next(), low: random.next()))
        return SocketAddress(address, port: UInt16.random(in: 0 ... .max, using: &random))
    }

    private func anyDraft(_ random: inout SeededGenerator) -> ProxyHeaderDraft {
        let isV4 = Bool.random(using: &random)
        var draft: ProxyHeaderDraft
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return ProxyHeaderDraft(.local)
        case 1: draft = ProxyHeaderDraft(.unknown)
        case 2:
            draft = ProxyHeaderDraft(
                .unix(source: bytes(0...108, &random) ?? [], destination: bytes(0...108, &random) ?? []))
        default:
            draft = ProxyHeaderDraft(.internet(source: address(isV4, &random), destination: address(isV4, &random)))
        }
        if draft.origin != .unknown { draft.isDatagram = Bool.random(using: &random) }
        draft.alpn = bytes(0...10, &random)
        draft.authority = bytes(0...255, &random)
        draft.uniqueID = bytes(0...128, &random)
        draft.networkNamespace = bytes(0...30, &random)
        if Bool.random(using: &random) {
            var ssl = ProxyHeaderDraft.SSL(
                client: UInt8.random(in: 0...255, using: &random),
                verify: UInt32.random(in: 0 ... .max, using: &random),
                version: bytes(0...8, &random), commonName: bytes(0...64, &random), cipher: bytes(0...40, &random))
            ssl.clientCertificate = bytes(0...900, &random)
            ssl.keyAlgorithm = bytes(0...9, &random)
            ssl.group = bytes(0...9, &random)
            ssl.signatureAlgorithm = bytes(0...9, &random)
            ssl.signatureScheme = bytes(0...9, &random)
            draft.ssl = ssl
        }
        while let value = bytes(0...40, &random), draft.others.count < 9 {
            draft.others.append(.init(type: UInt8.random(in: 0xE0...0xFF, using: &random), value: value))
        }
        draft.isChecked = Bool.random(using: &random)
        return draft
    }

    @Test("parse(write(x)) == x, and write(parse(b)) == b", arguments: 1...4 as ClosedRange<UInt64>)
    func roundTrip(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for round in 0..<500 {
            let draft = anyDraft(&random)
            let bytes = try draft.encodeV2(limit: 4096).bytes
            guard case .success(.header(let header)) = round % 20 == 0 ? readAnyCut(bytes) : read(bytes) else {
                Issue.record("seed \(seed), round \(round): \(read(bytes)) for \(draft)")
                return
            }
            let copy = ProxyHeaderDraft(header, in: bytes.span)
            #expect(copy == draft, "seed \(seed), round \(round)")
            #expect(try copy.encodeV2(limit: 4096).bytes == bytes, "seed \(seed), round \(round)")
        }
    }

    @Test("mutated headers never trap, and what passes can be written again", arguments: 1...4 as ClosedRange<UInt64>)
    func mutations(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for round in 0..<4000 {
            let draft = anyDraft(&random)
            var bytes = round % 4 == 0 ? draft.encodeV1() : try draft.encodeV2(limit: 4096).bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<min(bytes.count, 300), using: &random)
                switch Int.random(in: 0...4, using: &random) {
                case 0: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
                case 1: bytes[index] = [0, 0x0A, 0x0D, 0x20, 0x7F, 0xFF].randomElement(using: &random) ?? 0
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                case 3: bytes.remove(at: index)
                default: bytes.removeLast(bytes.count - index)
                }
            }
            switch round % 50 == 0 ? readAnyCut(bytes) : read(bytes) {
            case .success(.needMore(let atLeast)): #expect(atLeast > bytes.count, "seed \(seed), round \(round)")
            case .success(.header(let header)):
                #expect(header.length <= bytes.count, "seed \(seed), round \(round)")
                let copy = ProxyHeaderDraft(header, in: bytes.span)
                // Names may hold control characters now; then they are refused, and nothing else is.
                do throws(ProxyHeaderDraft.Refusal) { _ = try copy.encodeV2(limit: ProxyPolicy.longest) } catch {
                    guard case .controlCharacter = error else {
                        Issue.record("seed \(seed), round \(round): \(error)")
                        return
                    }
                }
            case .failure: break
            }
        }
    }
}
