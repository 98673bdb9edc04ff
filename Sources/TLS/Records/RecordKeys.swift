// The keys and the place of one direction of a TLS session, as plain data.

import COpenSSL

/// All that is needed to go on with one direction: no pointer, nothing that has to be freed.
///
/// Whoever holds a copy can read (or speak for) the session from there on: copies are wiped when they are over, and two
/// owners must never seal with the same keys.
package struct RecordKeys: BitwiseCopyable {
    /// The number of the next record (RFC 8446, 5.3; RFC 5246, 6.1).
    package var sequence: UInt64 = 0
    /// Raised by each KeyUpdate: contexts that are keyed with an older generation are stale.
    package var generation: UInt32 = 0
    /// The static initialisation vector; TLS 1.2 with GCM uses its first four bytes.
    package var iv = InlineArray<12, UInt8>(repeating: 0)
    /// The key; AES-128 uses its first sixteen bytes.
    package var key = InlineArray<32, UInt8>(repeating: 0)
    /// TLS 1.3: the traffic secret the next generation is made of; its first ``RecordSuite/hashLength`` bytes. TLS 1.2 has
    /// none, and ``explicitBase`` stands there.
    package var secret = InlineArray<48, UInt8>(repeating: 0)

    /// TLS 1.2 with GCM: the explicit nonce of record 0, as OpenSSL drew it; the nonce of record n is this plus n.
    package var explicitBase: UInt64 {
        get { (0..<8).reduce(UInt64(0)) { $0 << 8 | UInt64(secret[$1]) } }
        set { for index in 0..<8 { secret[index] = UInt8(truncatingIfNeeded: newValue >> UInt64(56 - 8 * index)) } }
    }

    /// TLS 1.2, what a client sends: the identifier of the session, by which a server that remembers it finds it again (RFC 5246,
    /// 7.4.1.3); at most 32 bytes, empty when it has none.
    package var sessionID: [UInt8] {
        get { (0..<min(Int(secret[8]), Self.longestSessionID)).map { secret[9 + $0] } }
        set {
            precondition(newValue.count <= Self.longestSessionID)
            secret[8] = UInt8(newValue.count)
            for (index, byte) in newValue.enumerated() { secret[9 + index] = byte }
        }
    }

    private static let longestSessionID = 32

    /// No keys yet.
    package init() {}

    /// Overwrites every byte.
    package mutating func wipe() {
        // Not an assignment: the compiler leaves out what is never read again, which is just what a copy is that is over.
        // Sound: the value's own bytes, plain data of which all zeroes are a value.
        unsafe withUnsafeMutableBytes(of: &self) { unsafe OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
