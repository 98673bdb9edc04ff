// Version 2 of the PROXY protocol: sixteen bytes, addresses, TLVs.

import Wire

extension ProxyHeaderReader {
    /// Signature, version and command, family and transport, length.
    static let fixedLength = 16
    static let unixPathLength = 108

    /// Reads a header whose signature is right as far as it is there.
    func readBinary(_ bytes: Span<UInt8>) throws(ProxyViolation) -> Outcome {
        var isLocal = false
        if bytes.count > 12 {
            guard bytes[12] >> 4 == 2 else { throw .version }
            guard bytes[12] & 15 <= 1 else { throw .command }
            isLocal = bytes[12] & 15 == 0
        }
        var addressLength = 0
        if bytes.count > 13, !isLocal { addressLength = try Self.addressLength(bytes[13]) }
        guard bytes.count >= Self.fixedLength else { return .needMore(atLeast: Self.fixedLength) }

        let length = Self.fixedLength + (Int(bytes[14]) << 8 | Int(bytes[15]))
        guard length <= policy.maximumLength else { throw .headerTooLong }
        guard length - Self.fixedLength >= addressLength else { throw .addressLength }
        guard bytes.count >= length else { return .needMore(atLeast: length) }

        var header = ProxyHeader(version: .v2, length: length)
        header.isLocal = isLocal
        // A receiver discards everything behind LOCAL, the family included (proxy-protocol.txt, 2.2).
        if isLocal { return .header(header) }
        header.isDatagram = bytes[13] & 15 == 2
        header.endpoints = Self.endpoints(bytes, family: bytes[13] >> 4)
        header.tlvs = (Self.fixedLength + addressLength)..<length
        try readTLVs(bytes, &header)
        return .header(header)
    }

    /// Bytes of both addresses and ports.
    private static func addressLength(_ family: UInt8) throws(ProxyViolation) -> Int {
        switch family {
        case 0x00: 0
        case 0x11, 0x12: 12
        case 0x21, 0x22: 36
        case 0x31, 0x32: 2 * unixPathLength
        default: throw .family
        }
    }

    /// All bytes of the addresses are there.
    private static func endpoints(_ bytes: Span<UInt8>, family: UInt8) -> ProxyHeader.Endpoints {
        let start = fixedLength
        func port(at offset: Int) -> UInt16 { UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1]) }
        switch family {
        case 1:
            func address(at offset: Int) -> IPAddress {
                .v4(IPv4Address(bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]))
            }
            return .internet(
                source: SocketAddress(address(at: start), port: port(at: start + 8)),
                destination: SocketAddress(address(at: start + 4), port: port(at: start + 10)))
        case 2:
            func address(at offset: Int) -> IPAddress {
                .v6(IPv6Address(octets: ProxyHeader.bytes(offset..<(offset + 16), in: bytes)))
            }
            return .internet(
                source: SocketAddress(address(at: start), port: port(at: start + 32)),
                destination: SocketAddress(address(at: start + 16), port: port(at: start + 34)))
        case 3:
            let middle = start + unixPathLength
            return .unix(source: start..<middle, destination: middle..<(middle + unixPathLength))
        default:
            return .connection
        }
    }

    private func readTLVs(_ bytes: Span<UInt8>, _ header: inout ProxyHeader) throws(ProxyViolation) {
        var walk = TLVWalk(header.tlvs)
        var budget = policy.maximumTLVs
        while let item = try walk.next(in: bytes) {
            try spend(&budget)
            switch item.type {
            case TLVType.alpn: try assign(item.value, &header.alpn)
            case TLVType.authority: try assign(item.value, &header.authority)
            case TLVType.networkNamespace: try assign(item.value, &header.networkNamespace)
            case TLVType.uniqueID:
                guard item.value.count <= ProxyHeaderDraft.longestUniqueID else { throw .tlvLength }
                try assign(item.value, &header.uniqueID)
            case TLVType.ssl:
                guard header.ssl == nil else { throw .tlvDuplicate }
                header.ssl = try readSSL(bytes, item.value, &budget)
            case TLVType.crc32c:
                guard !header.isChecked else { throw .tlvDuplicate }
                guard item.value.count == 4 else { throw .tlvLength }
                guard Self.isChecksumRight(bytes, header.length, at: item.value.lowerBound) else { throw .checksum }
                header.isChecked = true
            default: break
            }
        }
    }

    private func readSSL(
        _ bytes: Span<UInt8>, _ range: Range<Int>, _ budget: inout Int
    ) throws(ProxyViolation) -> ProxyHeader.SSL {
        guard range.count >= 5 else { throw .tlvLength }
        let start = range.lowerBound
        var verify: UInt32 = 0
        for index in (start + 1)..<(start + 5) { verify = verify << 8 | UInt32(bytes[index]) }
        var ssl = ProxyHeader.SSL(client: bytes[start], verify: verify)
        var walk = TLVWalk((start + 5)..<range.upperBound)
        while let item = try walk.next(in: bytes) {
            try spend(&budget)
            switch item.type {
            case TLVType.sslVersion: try assign(item.value, &ssl.version)
            case TLVType.sslCommonName: try assign(item.value, &ssl.commonName)
            case TLVType.sslCipher: try assign(item.value, &ssl.cipher)
            case TLVType.sslSignatureAlgorithm: try assign(item.value, &ssl.signatureAlgorithm)
            case TLVType.sslKeyAlgorithm: try assign(item.value, &ssl.keyAlgorithm)
            case TLVType.sslGroup: try assign(item.value, &ssl.group)
            case TLVType.sslSignatureScheme: try assign(item.value, &ssl.signatureScheme)
            case TLVType.sslClientCertificate: try assign(item.value, &ssl.clientCertificate)
            default: break
            }
        }
        return ssl
    }

    private func spend(_ budget: inout Int) throws(ProxyViolation) {
        guard budget > 0 else { throw .tlvTooMany }
        budget -= 1
    }

    /// Two values for one thing would let two readers believe different ones.
    private func assign(_ value: Range<Int>, _ field: inout Range<Int>?) throws(ProxyViolation) {
        guard field == nil else { throw .tlvDuplicate }
        field = value
    }

    /// The sum of the whole header with its own four bytes zero (proxy-protocol.txt, 2.2.3).
    private static func isChecksumRight(_ bytes: Span<UInt8>, _ length: Int, at offset: Int) -> Bool {
        var crc = CRC32(.castagnoli)
        var expected: UInt32 = 0
        for index in 0..<length {
            let isOwn = index >= offset && index < offset + 4
            if isOwn { expected = expected << 8 | UInt32(bytes[index]) }
            crc.update(isOwn ? 0 : bytes[index])
        }
        return crc.value == expected
    }
}
