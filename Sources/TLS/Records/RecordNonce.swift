// The nonces and additional data of records.

import Wire

/// What a record is sealed with besides its key.
enum RecordNonce {
    /// The initialisation vector with the sequence number in its last eight bytes by exclusive or (RFC 8446, 5.3;
    /// RFC 7905, 2).
    @inline(__always)
    static func masked(_ iv: InlineArray<12, UInt8>, _ sequence: UInt64) -> InlineArray<12, UInt8> {
        var nonce = iv
        for index in 0..<8 { nonce[4 + index] ^= UInt8(truncatingIfNeeded: sequence >> UInt64(56 - 8 * index)) }
        return nonce
    }

    /// TLS 1.2 with GCM: four bytes of salt, eight that stand in the record (RFC 5288, 3).
    @inline(__always)
    static func salted(_ iv: InlineArray<12, UInt8>, _ explicit: UInt64) -> InlineArray<12, UInt8> {
        var nonce = iv
        for index in 0..<8 { nonce[4 + index] = UInt8(truncatingIfNeeded: explicit >> UInt64(56 - 8 * index)) }
        return nonce
    }

    /// The additional data of TLS 1.2: sequence number, type, version, length of the plaintext (RFC 5246, 6.2.3.3).
    @inline(__always)
    static func legacyHeader(_ sequence: UInt64, _ type: UInt8, _ count: Int) -> InlineArray<13, UInt8> {
        var header = InlineArray<13, UInt8>(repeating: 0)
        for index in 0..<8 { header[index] = UInt8(truncatingIfNeeded: sequence >> UInt64(56 - 8 * index)) }
        header[8] = type
        header[9] = 3
        header[10] = 3
        header[11] = UInt8(truncatingIfNeeded: count >> 8)
        header[12] = UInt8(truncatingIfNeeded: count)
        return header
    }
}
