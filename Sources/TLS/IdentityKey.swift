// Keyed hashes that stand for a device's identity where the identity itself must not be seen.

import COpenSSL

/// Makes pseudonyms: whoever has no key learns nothing from one, and two devices never share one in practice.
package struct IdentityKey: Hashable, Sendable, CustomStringConvertible {
    /// Octets of a hash that a pseudonym keeps: 128 bits, in 32 digits that every server takes as a client ID.
    private static let kept = 16

    private let key: [UInt8]

    /// A key of its own, derived from the secret of a file that `understudy keygen` wrote.
    ///
    /// - Throws: `library` when OpenSSL offers no HKDF.
    package init(_ secret: PairSecret) throws(TLSError) { key = try secret.key("client-identity", count: 32) }

    /// HMAC-SHA256 (RFC 2104) of the identity: its first 128 bits in lower-case hexadecimal digits.
    ///
    /// - Throws: `library` when OpenSSL offers no SHA-256.
    package func pseudonym(of identity: [UInt8]) throws(TLSError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        ERR_clear_error()
        // Sound: both arrays are lent with their counts, and the output has room for any digest.
        let result = unsafe HMAC(EVP_sha256(), key, Int32(key.count), identity, identity.count, &output, &count)
        guard unsafe result != nil, count == 32 else { throw .library("HMAC") }
        let digits = Array("0123456789abcdef".utf8)
        return output[..<Self.kept].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    /// Never the key itself.
    package var description: String { "identity key" }
}

extension IdentityKey: CustomReflectable {
    /// Nothing: what prints a value by its fields must not print these.
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
