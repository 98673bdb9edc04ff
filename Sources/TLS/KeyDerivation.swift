// Independent keys out of one secret: HKDF with SHA-256.

import COpenSSL

/// Derives keys (RFC 5869); what is derived for one purpose tells nothing about the others.
package enum KeyDerivation {
    /// Most bytes that one derivation gives: 255 times SHA-256's output (RFC 5869, 2.3).
    package static let maximumCount = 255 * 32

    /// SHA-256.
    ///
    /// - Throws: `library` when OpenSSL offers none.
    package static func digest(_ bytes: [UInt8]) throws(TLSError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        // Sound: both arrays are lent for the duration of the call; the output has room for the digest.
        guard unsafe EVP_Digest(bytes, bytes.count, &output, &count, EVP_sha256(), nil) == 1 else {
            throw .library("EVP_Digest")
        }
        return output
    }

    /// HKDF-SHA256, extract and expand.
    ///
    /// - Parameters:
    ///   - info: what the key is for; another text, another key.
    ///   - count: bytes wanted, 1...``maximumCount``.
    /// - Throws: `library` when OpenSSL offers no HKDF.
    package static func hkdf(secret: [UInt8], salt: [UInt8], info: [UInt8], count: Int) throws(TLSError) -> [UInt8] {
        precondition(count > 0 && count <= maximumCount, "HKDF-SHA256 gives 1 to \(maximumCount) bytes, not \(count)")
        ERR_clear_error()
        // Sound: fetched, checked and freed in this function; the context holds its own reference.
        let algorithm = unsafe EVP_KDF_fetch(nil, OSSL_KDF_NAME_HKDF, nil)
        guard let algorithm = unsafe algorithm else { throw .library("EVP_KDF_fetch HKDF") }
        let created = unsafe EVP_KDF_CTX_new(algorithm)
        unsafe EVP_KDF_free(algorithm)
        guard let context = unsafe created else { throw .library("EVP_KDF_CTX_new") }
        defer { unsafe EVP_KDF_CTX_free(context) }

        var output = [UInt8](repeating: 0, count: count)
        var digest = Array("SHA256".utf8CString)
        var secret = secret
        // A copy of its own, because the library takes what it may write to.
        defer { TrafficKeys.wipe(&secret) }
        var salt = salt
        var info = info
        // Sound: all arrays are local and lent for the duration of the call with their counts; the library only reads
        // what the parameters name, and writes exactly `count` bytes. Empty octet strings are passed with a valid
        // pointer by leaving the parameter out, which means the same (RFC 5869, 2.2 and 2.3).
        let result = unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe secret.withUnsafeMutableBufferPointer { secret in
                unsafe salt.withUnsafeMutableBufferPointer { salt in
                    unsafe info.withUnsafeMutableBufferPointer { info in
                        var parameters = unsafe [
                            cssl_kdf_digest(digest.baseAddress), cssl_kdf_key(secret.baseAddress, secret.count),
                        ]
                        if !salt.isEmpty { unsafe parameters.append(cssl_kdf_salt(salt.baseAddress, salt.count)) }
                        if !info.isEmpty { unsafe parameters.append(cssl_kdf_info(info.baseAddress, info.count)) }
                        unsafe parameters.append(OSSL_PARAM_construct_end())
                        return unsafe EVP_KDF_derive(context, &output, count, parameters)
                    }
                }
            }
        }
        guard result == 1 else { throw .library("EVP_KDF_derive") }
        return output
    }
}
