// CRC-32 and CRC-32C: the hash under NGINX's `hash … consistent`, and the checksum of the PROXY protocol.

/// A reflected 32-bit cyclic redundancy check with all ones before and after, fed in pieces.
///
/// Finds damage; not a defence against chosen bytes.
package struct CRC32: Sendable {
    /// Which polynomial.
    package enum Polynomial: Sendable {
        /// ISO-HDLC, 0x04C11DB7: zlib, Ethernet, NGINX's rings.
        case iso
        /// Castagnoli, 0x1EDC6F41: CRC-32C of iSCSI and of PROXY headers.
        case castagnoli
    }

    private let polynomial: Polynomial
    private var register: UInt32 = 0xFFFF_FFFF

    package init(_ polynomial: Polynomial = .iso) { self.polynomial = polynomial }

    /// The checksum of everything fed so far.
    package var value: UInt32 { ~register }

    /// Feeds one byte.
    package mutating func update(_ byte: UInt8) {
        let index = Int(UInt8(truncatingIfNeeded: register) ^ byte)
        switch polynomial {
        case .iso: register = CRC32.isoTable[index] ^ (register >> 8)
        case .castagnoli: register = CRC32.castagnoliTable[index] ^ (register >> 8)
        }
    }

    /// Feeds bytes.
    package mutating func update(_ bytes: Span<UInt8>) {
        for index in bytes.indices { update(bytes[index]) }
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: Span<UInt8>, _ polynomial: Polynomial = .iso) -> UInt32 {
        var crc = CRC32(polynomial)
        crc.update(bytes)
        return crc.value
    }

    private static let isoTable = table(0xEDB8_8320)
    private static let castagnoliTable = table(0x82F6_3B78)

    private static func table(_ reflected: UInt32) -> [UInt32] {
        (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? (value >> 1) ^ reflected : value >> 1 }
        }
    }
}
