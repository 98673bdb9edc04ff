// The seam to the cryptographic library, which a pure target cannot import.

/// Computes HMAC-SHA256 for ``HMACAuthentication``. The shell passes in what its library offers.
package protocol MessageAuthenticator {
    /// HMAC-SHA256 (RFC 2104 with FIPS 180-4): 32 octets; `nil` when the library failed.
    ///
    /// - Parameters:
    ///   - key: 32...64 octets.
    ///   - message: what is to be authenticated.
    func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]?
}
