// Writes PROXY headers: a line of text, or binary with TLVs.

import Wire

extension ProxyHeaderDraft {
    /// Why a header cannot be written.
    package enum Refusal: Error, Hashable {
        /// Still longer than the limit with everything left out that may be.
        case tooLong(count: Int, limit: Int)
        /// A control character in the text of a TLV: a server would drop the connection, or be misled.
        case controlCharacter(type: UInt8)
        /// A unique identifier of more than 128 bytes, or a path of more than 108.
        case fieldTooLong(count: Int)
    }

    /// A header and what is not in it.
    package struct Encoded: Equatable, Sendable {
        package let bytes: [UInt8]
        /// Types of the TLVs left out to keep the limit, in the order they went.
        package let dropped: [UInt8]
    }

    /// Bytes that every server takes: esockd reads no more at first.
    package static let usualLimit = 500

    /// Version 1: the addresses of a TCP connection; `PROXY UNKNOWN` for everything else.
    package func encodeV1() -> [UInt8] {
        guard case .internet(let source, let destination) = origin, !isDatagram else {
            return Array("PROXY UNKNOWN\r\n".utf8)
        }
        let words: String
        if case .v4(let from) = source.address, case .v4(let to) = destination.address {
            words = "TCP4 \(from) \(to)"
        } else {
            words = "TCP6 \(source.address.mapped) \(destination.address.mapped)"
        }
        return Array("PROXY \(words) \(source.port) \(destination.port)\r\n".utf8)
    }

    /// Version 2 within `limit` bytes.
    ///
    /// What is too long loses first what no server needs: other TLVs, the namespace, the unique identifier, ALPN,
    /// certificate and algorithms, the cipher. Authority, TLS version and common name say who the client is and are
    /// never left out silently.
    ///
    /// - Throws: ``Refusal``.
    package func encodeV2(limit: Int = usualLimit) throws(Refusal) -> Encoded {
        var draft = self
        var dropped: [UInt8] = []
        var bytes = try draft.binary()
        while bytes.count > min(limit, ProxyPolicy.longest) {
            guard let type = draft.dropLeastNeeded() else { throw .tooLong(count: bytes.count, limit: limit) }
            dropped.append(type)
            bytes = try draft.binary()
        }
        return Encoded(bytes: Self.finished(bytes, isChecked: isChecked && origin != .local), dropped: dropped)
    }

    private mutating func dropLeastNeeded() -> UInt8? {
        func drop(_ field: inout [UInt8]?, _ type: UInt8) -> UInt8? {
            guard field != nil else { return nil }
            field = nil
            return type
        }
        if let last = others.popLast() { return last.type }
        if let type = drop(&networkNamespace, TLVType.networkNamespace) { return type }
        if let type = drop(&uniqueID, TLVType.uniqueID) { return type }
        if let type = drop(&alpn, TLVType.alpn) { return type }
        guard var ssl else { return nil }
        defer { self.ssl = ssl }
        return drop(&ssl.clientCertificate, TLVType.sslClientCertificate)
            ?? drop(&ssl.signatureScheme, TLVType.sslSignatureScheme)
            ?? drop(&ssl.group, TLVType.sslGroup)
            ?? drop(&ssl.keyAlgorithm, TLVType.sslKeyAlgorithm)
            ?? drop(&ssl.signatureAlgorithm, TLVType.sslSignatureAlgorithm)
            ?? drop(&ssl.cipher, TLVType.sslCipher)
    }

    /// The header with its length and checksum still zero.
    private func binary() throws(Refusal) -> [UInt8] {
        var bytes = ProxyHeaderReader.signature
        if origin == .local { return bytes + [0x20, 0x00, 0, 0] }
        let transport: UInt8 = isDatagram ? 2 : 1
        switch origin {
        case .local, .unknown:
            bytes += [0x21, 0x00, 0, 0]
        case .internet(let source, let destination):
            if case .v4(let from) = source.address, case .v4(let to) = destination.address {
                bytes += [0x21, 0x10 | transport, 0, 0] + from.octets + to.octets
            } else {
                bytes += [0x21, 0x20 | transport, 0, 0]
                bytes += source.address.mapped.octets + destination.address.mapped.octets
            }
            bytes.append(bigEndian: source.port)
            bytes.append(bigEndian: destination.port)
        case .unix(let source, let destination):
            bytes += [0x21, 0x30 | transport, 0, 0]
            for path in [source, destination] {
                guard path.count <= ProxyHeaderReader.unixPathLength else { throw .fieldTooLong(count: path.count) }
                bytes += path + [UInt8](repeating: 0, count: ProxyHeaderReader.unixPathLength - path.count)
            }
        }
        try appendTLVs(to: &bytes)
        return bytes
    }

    private func appendTLVs(to bytes: inout [UInt8]) throws(Refusal) {
        if let uniqueID, uniqueID.count > Self.longestUniqueID { throw .fieldTooLong(count: uniqueID.count) }
        Self.append(TLVType.alpn, alpn, to: &bytes)
        try Self.append(text: TLVType.authority, authority, to: &bytes)
        Self.append(TLVType.uniqueID, uniqueID, to: &bytes)
        if let ssl {
            var value: [UInt8] = [ssl.client]
            value.append(bigEndian: ssl.verify)
            try Self.append(text: TLVType.sslVersion, ssl.version, to: &value)
            try Self.append(text: TLVType.sslCommonName, ssl.commonName, to: &value)
            try Self.append(text: TLVType.sslCipher, ssl.cipher, to: &value)
            try Self.append(text: TLVType.sslSignatureAlgorithm, ssl.signatureAlgorithm, to: &value)
            try Self.append(text: TLVType.sslKeyAlgorithm, ssl.keyAlgorithm, to: &value)
            try Self.append(text: TLVType.sslGroup, ssl.group, to: &value)
            try Self.append(text: TLVType.sslSignatureScheme, ssl.signatureScheme, to: &value)
            Self.append(TLVType.sslClientCertificate, ssl.clientCertificate, to: &value)
            Self.append(TLVType.ssl, value, to: &bytes)
        }
        try Self.append(text: TLVType.networkNamespace, networkNamespace, to: &bytes)
        for other in others { Self.append(other.type, other.value, to: &bytes) }
        if isChecked { Self.append(TLVType.crc32c, [0, 0, 0, 0], to: &bytes) }
    }

    private static func append(_ type: UInt8, _ value: [UInt8]?, to bytes: inout [UInt8]) {
        guard let value else { return }
        bytes.append(type)
        // A value too long for its field makes the whole too long for any limit; the clamped field is never sent.
        bytes.append(bigEndian: UInt16(clamping: value.count))
        bytes += value
    }

    private static func append(text type: UInt8, _ value: [UInt8]?, to bytes: inout [UInt8]) throws(Refusal) {
        guard let value else { return }
        for (index, byte) in value.enumerated() {
            // U+0080 to U+009F, as UTF-8.
            let isC1 = byte == 0xC2 && index + 1 < value.count && 0x80...0x9F ~= value[index + 1]
            if byte < 0x20 || byte == 0x7F || isC1 { throw .controlCharacter(type: type) }
        }
        append(type, value, to: &bytes)
    }

    private static func finished(_ header: [UInt8], isChecked: Bool) -> [UInt8] {
        var bytes = header
        let length = bytes.count - ProxyHeaderReader.fixedLength
        bytes[14] = UInt8(length >> 8)
        bytes[15] = UInt8(length & 0xFF)
        guard isChecked else { return bytes }
        let sum = CRC32.checksum(bytes.span, .castagnoli)
        for index in 0..<4 { bytes[bytes.count - 4 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index)) }
        return bytes
    }
}
