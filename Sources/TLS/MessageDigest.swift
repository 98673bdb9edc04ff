// HMAC-SHA256, for those who authenticate messages.

import COpenSSL

/// Keyed digests of short messages.
package enum MessageDigest {
    /// Octets of an HMAC-SHA256.
    package static let count = 32

    /// HMAC-SHA256 (RFC 2104 with FIPS 180-4); `nil` when OpenSSL failed.
    package static func hmacSHA256(key: [UInt8], message: Span<UInt8>) -> [UInt8]? {
        ERR_clear_error()
        var output = [UInt8](repeating: 0, count: count)
        var length: UInt32 = 0
        // Sound: everything is local and lent for the duration of the call with its count, and the output has the room
        // that SHA-256 fills.
        let result = unsafe message.withUnsafeBufferPointer { message in
            unsafe HMAC(EVP_sha256(), key, Int32(key.count), message.baseAddress, message.count, &output, &length)
        }
        guard unsafe result != nil, length == count else { return nil }
        return output
    }
}
