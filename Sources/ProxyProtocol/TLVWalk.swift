// One TLV of a PROXY header after the other.

/// Types of TLVs (haproxy, doc/proxy-protocol.txt, 2.2).
package enum TLVType {
    package static let alpn: UInt8 = 0x01
    package static let authority: UInt8 = 0x02
    package static let crc32c: UInt8 = 0x03
    package static let noop: UInt8 = 0x04
    package static let uniqueID: UInt8 = 0x05
    package static let ssl: UInt8 = 0x20
    package static let networkNamespace: UInt8 = 0x30

    // Inside 0x20.
    package static let sslVersion: UInt8 = 0x21
    package static let sslCommonName: UInt8 = 0x22
    package static let sslCipher: UInt8 = 0x23
    package static let sslSignatureAlgorithm: UInt8 = 0x24
    package static let sslKeyAlgorithm: UInt8 = 0x25
    package static let sslGroup: UInt8 = 0x26
    package static let sslSignatureScheme: UInt8 = 0x27
    package static let sslClientCertificate: UInt8 = 0x28

    /// Those that ``ProxyHeader`` names; everything else is found by ``TLVWalk``.
    package static let named: Set<UInt8> = [alpn, authority, crc32c, noop, uniqueID, ssl, networkNamespace]
}

/// Walks over TLVs: one byte of type, two of length, the value.
package struct TLVWalk: Sendable {
    /// One TLV.
    package struct Item: Equatable, Sendable {
        package let type: UInt8
        /// Where its value stands in the header.
        package let value: Range<Int>
    }

    private var offset: Int
    private let end: Int

    /// - Parameter tlvs: Where they stand in the header: ``ProxyHeader/tlvs``.
    package init(_ tlvs: Range<Int>) {
        offset = tlvs.lowerBound
        end = tlvs.upperBound
    }

    /// The next one; nil behind the last.
    ///
    /// - Throws: ``ProxyViolation/tlvTruncated``; never for the TLVs of a header that was read.
    package mutating func next(in header: Span<UInt8>) throws(ProxyViolation) -> Item? {
        guard offset < end else { return nil }
        guard end - offset >= 3 else { throw .tlvTruncated }
        let length = Int(header[offset + 1]) << 8 | Int(header[offset + 2])
        let start = offset + 3
        guard end - start >= length else { throw .tlvTruncated }
        let item = Item(type: header[offset], value: start..<(start + length))
        offset = start + length
        return item
    }
}
