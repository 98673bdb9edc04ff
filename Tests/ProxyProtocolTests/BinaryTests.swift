// Version 2: every family, LOCAL, TLVs, the checksum, and what is refused.

import ProxyProtocol
import Testing
import Wire

@Suite("PROXY version 2")
struct BinaryTests {
    @Test func `The reference's vector`() throws {
        let bytes = hex("0d0a0d0a000d0a515549540a 21 11 0013 c0000201 c0000202 dc04 075b 03 0004 c697e7c2")
        let header = try header(in: bytes)
        let source = try socket("192.0.2.1", 56324)
        let destination = try socket("192.0.2.2", 1883)
        #expect(header.endpoints == .internet(source: source, destination: destination))
        #expect(header.isChecked && header.version == .v2 && header.length == 35)
        var draft = ProxyHeaderDraft(.internet(source: source, destination: destination))
        draft.isChecked = true
        #expect(try draft.encodeV2().bytes == bytes)
        #expect(CRC32.checksum(Array("123456789".utf8).span, .castagnoli) == 0xE306_9283)
        #expect(CRC32.checksum(Array("123456789".utf8).span) == 0xCBF4_3926)
        // Any damage to addresses, ports and sum is found.
        for index in Array(16..<28) + Array(31..<35) {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                #expect(read(damaged) == .failure(.checksum))
            }
        }
    }

    @Test(
        "families",
        arguments: [
            ("21 00", 0, false), ("21 11", 12, false), ("21 12", 12, true), ("21 21", 36, false), ("21 22", 36, true),
            ("21 31", 216, false), ("21 32", 216, true),
        ])
    func families(_ start: String, _ length: Int, _ isDatagram: Bool) throws {
        let body = (0..<length).map { UInt8($0 & 0x7F) }
        let plain = try header(in: v2(start, body))
        #expect(!plain.isLocal && plain.isDatagram == isDatagram && plain.tlvs.isEmpty)
        let withTLV = v2(start, body + tlv(TLVType.authority, hex("'a.example'")))
        let header = try header(in: withTLV)
        #expect(header.endpoints == plain.endpoints)
        #expect(header.authority.map { ProxyHeader.bytes($0, in: withTLV.span) } == hex("'a.example'"))
        if length > 0 {
            #expect(readAnyCut(v2(start, Array(body.dropLast()))) == .failure(.addressLength))
        } else {
            #expect(header.endpoints == .connection && header.client == nil)
        }
        // What is written of it is what was read.
        let draft = ProxyHeaderDraft(header, in: withTLV.span)
        #expect(try draft.encodeV2().bytes == (length == 0 ? v2("21 00", Array(withTLV.dropFirst(16))) : withTLV))
    }

    @Test func `Addresses of IPv6 and sockets of a path`() throws {
        let six = v2("21 21", hex("20010DB8000000000000000000000001 00000000000000000000FFFFC0000202 0001 075B"))
        let header = try header(in: six)
        #expect(
            header.endpoints
                == .internet(source: try socket("2001:db8::1", 1), destination: try socket("::ffff:192.0.2.2", 1883)))
        let mapped = v2("21 21", hex("00000000000000000000FFFFC0000201 00000000000000000000FFFFC0000202 0001 075B"))
        #expect(try ProxyProtocolTests.header(in: mapped).client == (try socket("192.0.2.1", 1)))
        let paths =
            hex("'/run/a'") + [UInt8](repeating: 0, count: 102) + hex("00'b'") + [UInt8](repeating: 0, count: 106)
        let unix = v2("21 31", paths)
        let draft = ProxyHeaderDraft(try ProxyProtocolTests.header(in: unix), in: unix.span)
        #expect(draft.origin == .unix(source: hex("'/run/a'"), destination: hex("00'b'")))
        #expect(try draft.encodeV2().bytes == unix)
    }

    @Test("LOCAL is passed over, whatever is in it", arguments: [0, 1, 11, 12, 36, 216, 1000, 65_535])
    func local(_ length: Int) throws {
        let policy = ProxyPolicy(maximumLength: ProxyPolicy.longest)
        for family in ["20 00", "20 11", "20 21", "20 31", "20 FF"] {
            let bytes = v2(family, [UInt8](repeating: 0xFF, count: length))
            let reading = length < 300 ? readAnyCut(bytes, policy) : read(bytes, nil, policy)
            guard case .success(.header(let header)) = reading else {
                Issue.record("\(reading)")
                continue
            }
            #expect(header.isLocal && header.endpoints == .connection && header.client == nil)
            #expect(header.length == 16 + length && header.tlvs.isEmpty)
        }
    }

    @Test(
        "what is refused",
        arguments: [
            ("11 11", .version), ("31 11", .version), ("01 11", .version), ("22 11", .command), ("2F 00", .command),
            ("21 01", .family), ("21 10", .family), ("21 13", .family), ("21 41", .family), ("21 F1", .family),
        ] as [(String, ProxyViolation)])
    func refused(_ start: String, _ violation: ProxyViolation) {
        #expect(readAnyCut(v2(start, addresses)) == .failure(violation))
        // At the first byte that says so.
        let count = violation == .family ? 14 : 13
        #expect(read(v2(start, addresses), first: count) == .failure(violation))
        #expect(read(v2(start, addresses), first: count - 1) == .success(.needMore(atLeast: 16)))
    }

    @Test(
        "signatures that are none",
        arguments: ["0D0A0D0A000D0A515549540B", "0D0A0D0A0A", "0A", "10", "160301", "00", "FF"])
    func noSignature(_ bytes: String) { #expect(readAnyCut(hex(bytes)) == .failure(.notProxy)) }

    @Test(
        "TLVs that are refused",
        arguments: [
            ("02", .tlvTruncated), ("02 00", .tlvTruncated), ("02 0002 41", .tlvTruncated), ("02 FFFF", .tlvTruncated),
            ("02 0001 41 02 0001 41", .tlvDuplicate), ("01 0001 41 01 0000", .tlvDuplicate),
            ("30 0000 30 0000", .tlvDuplicate), ("05 0000 05 0000", .tlvDuplicate),
            ("03 0003 000000", .tlvLength), ("03 0005 0000000000", .tlvLength), ("03 0004 00000000", .checksum),
            ("20 0004 01000000", .tlvLength), ("20 0006 0100000000 21", .tlvTruncated),
            ("20 000A 0100000000 21 0003 4141", .tlvTruncated),
            ("20 000B 0100000000 22 0000 22 0000", .tlvDuplicate),
            ("20 0005 0000000000 20 0005 0000000000", .tlvDuplicate),
        ] as [(String, ProxyViolation)])
    func tlvs(_ block: String, _ violation: ProxyViolation) {
        #expect(readAnyCut(v2("21 11", addresses + hex(block))) == .failure(violation))
    }

    @Test func `Everything a sender may say`() throws {
        let ssl =
            hex("07 00000001 21 0007'TLSv1.3' 22 0005'dev-1' 23 0001'c' 24 0001's' 25 0001'k' 26 0001'g'")
            + hex("27 0001'h' 28 0002 3082 2F 0001 00")
        let block =
            tlv(0x01, hex("'mqtt'")) + tlv(0x02, hex("'a.example'")) + tlv(0x04, [0, 0, 0])
            + tlv(0x05, [UInt8](repeating: 7, count: 128)) + tlv(0x20, ssl) + tlv(0x30, hex("'ns'"))
            + tlv(0xE0, hex("0102")) + tlv(0xE0, []) + tlv(0xEA, hex("'vpce'"))
        let bytes = v2("21 11", addresses + block)
        let header = try header(in: bytes)
        func text(_ range: Range<Int>?) -> String? {
            range.map { String(decoding: ProxyHeader.bytes($0, in: bytes.span), as: UTF8.self) }
        }
        #expect(text(header.alpn) == "mqtt")
        #expect(text(header.authority) == "a.example")
        #expect(header.uniqueID?.count == 128)
        #expect(text(header.networkNamespace) == "ns")
        let tls = try #require(header.ssl)
        #expect(tls.client == 7 && tls.verify == 1 && !tls.isVerified)
        #expect([tls.version, tls.commonName, tls.cipher].map(text) == ["TLSv1.3", "dev-1", "c"])
        #expect(
            [tls.signatureAlgorithm, tls.keyAlgorithm, tls.group, tls.signatureScheme].map(text) == [
                "s", "k", "g", "h",
            ])
        #expect(tls.clientCertificate?.count == 2)
        let draft = ProxyHeaderDraft(header, in: bytes.span)
        #expect(draft.others.map(\.type) == [0xE0, 0xE0, 0xEA])
        #expect(readAnyCut(v2("21 11", addresses + tlv(5, [UInt8](repeating: 7, count: 129)))) == .failure(.tlvLength))
    }

    @Test func `Limits hold before the bytes they promise`() throws {
        let policy = ProxyPolicy(maximumLength: 107, maximumTLVs: 3)
        let long = v2("21 11", addresses + tlv(0xE0, [UInt8](repeating: 0, count: 77)))
        #expect(read(long, first: 16, policy) == .failure(.headerTooLong))
        #expect(read(Array(long.dropLast()), first: 16, policy) == .failure(.headerTooLong))
        let fitting = v2("21 11", addresses + tlv(0xE0, [UInt8](repeating: 0, count: 76)))
        #expect(read(fitting, first: 16, policy) == .success(.needMore(atLeast: 107)))
        let three = tlv(4, []) + tlv(0xE0, []) + tlv(0xE0, [])
        #expect(throws: Never.self) { try read(v2("21 11", addresses + three), nil, policy).get() }
        #expect(read(v2("21 11", addresses + three + tlv(4, [])), nil, policy) == .failure(.tlvTooMany))
        // Those inside the SSL TLV count too.
        let nested = tlv(0x20, hex("0000000000") + three)
        #expect(read(v2("21 11", addresses + nested), nil, policy) == .failure(.tlvTooMany))
        let only1 = ProxyPolicy(versions: [.v1])
        #expect(readAnyCut(v2("21 11", addresses), only1) == .failure(.versionNotAccepted))
        #expect(
            readAnyCut(Array("PROXY UNKNOWN\r\n".utf8), ProxyPolicy(versions: [.v2])) == .failure(.versionNotAccepted))
    }

    @Test func `Names of violations are stable, unique and in kebab case`() {
        let names = ProxyViolation.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.allSatisfy { "abcdefghijklmnopqrstuvwxyz-".contains($0) } })
        #expect(ProxyViolation.allCases.map(\.rawValue) == Array(0..<names.count))
    }
}
