// The octets behind an authenticated advertisement.

import Wire

/// The trailer of draft-cassen-vrrp-auth-hmac as keepalived 2.4.2 and later send it.
///
/// ```
///  0        1        2                 4                        8            10           12            28
///  | type 1 | key id | reserved 0 (16) | seconds (32), UTC      | 2^-16 s (16) | counter (16) | HMAC (128) |
/// ```
/// Seconds, fraction and counter together are one sequence number of 64 bits that only ever grows.
package struct HMACTrailer: Equatable, Sendable {
    /// Its length in octets. No padding of an Ethernet frame behind a message is as long.
    package static let length = 28
    /// The octets before the HMAC; they are authenticated too.
    static let prefixLength = 12
    /// The octets of HMAC-SHA256 that are sent.
    static let macLength = 16
    /// The only type defined: HMAC-SHA256, truncated to 128 bits.
    static let sha256: UInt8 = 1

    /// Which key sealed it.
    package var keyID: UInt8
    /// Seconds since 1970 in the upper 32 bits, then a fraction of 2^-16 s, then a counter.
    package var sequence: UInt64

    /// The octets before the HMAC.
    func prefix() -> [UInt8] {
        var bytes: [UInt8] = [Self.sha256, keyID, 0, 0]
        bytes.append(bigEndian: sequence)
        return bytes
    }

    /// Reads the trailer that begins at `offset`; the caller has checked that its octets are there. `nil` for another
    /// type or reserved bits.
    init?(_ bytes: Span<UInt8>, at offset: Int) {
        guard bytes[offset] == Self.sha256, bytes[offset + 2] == 0, bytes[offset + 3] == 0 else { return nil }
        keyID = bytes[offset + 1]
        sequence = 0
        for index in offset + 4..<offset + Self.prefixLength { sequence = sequence << 8 | UInt64(bytes[index]) }
    }

    init(keyID: UInt8, sequence: UInt64) {
        self.keyID = keyID
        self.sequence = sequence
    }

    /// What is authenticated: who speaks for which router, the message with its checksum read as zero, and this
    /// trailer with its HMAC read as zero.
    ///
    /// The pseudo part binds family, version, identifier and source, so that a message cannot be moved to another
    /// router that shares the key. The destination is left out: one message goes to several peers.
    ///
    /// - Parameter message: the message without its trailer; 8 octets at least.
    func input(_ message: Span<UInt8>, from source: IPAddress) -> [UInt8] {
        var input: [UInt8] = [source.family == .ipv4 ? 4 : 6, message[0] >> 4, message[1], 0]
        input.reserveCapacity(20 + message.count + Self.length)
        input += source.octets
        input += Array(repeating: 0, count: 20 - input.count)
        for index in 0..<message.count { input.append(index == 6 || index == 7 ? 0 : message[index]) }
        input += prefix()
        input += Array(repeating: 0, count: Self.macLength)
        return input
    }
}
