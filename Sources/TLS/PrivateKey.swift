// A private key in the hands of this target.

import COpenSSL

/// One private key; never changed, never shown.
///
/// Safe to use: the library's object is owned here, counted by the library, and only ever read.
@safe final class PrivateKey: Sendable {
    // Sound: keys are read by many threads at once; the library locks the little it computes late.
    nonisolated(unsafe) let handle: OpaquePointer

    /// Takes over a reference.
    init(owning handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Reads PKCS #8 or one of the older encodings (DER); `nil` when it is none.
    convenience init?(encoded bytes: [UInt8]) {
        ERR_clear_error()
        // Sound: the array is lent with its count; the call moves only its own copy of the pointer.
        let handle = unsafe bytes.withUnsafeBufferPointer { buffer in
            var next = buffer.baseAddress
            return unsafe d2i_AutoPrivateKey(nil, &next, buffer.count)
        }
        ERR_clear_error()
        guard let handle = unsafe handle else { return nil }
        unsafe self.init(owning: handle)
    }

    deinit { unsafe EVP_PKEY_free(handle) }

    /// Whether it is the private half of the certificate's key.
    func belongs(to certificate: Certificate) -> Bool {
        defer { ERR_clear_error() }
        return unsafe X509_check_private_key(certificate.handle, handle) == 1
    }
}

extension PrivateKey {
    /// PKCS #8 without a passphrase.
    var encoded: [UInt8] {
        ERR_clear_error()
        // Sound: both objects are made and freed here; the second call writes as much as the first one said.
        guard let info = unsafe EVP_PKEY2PKCS8(handle) else { return [] }
        defer { unsafe PKCS8_PRIV_KEY_INFO_free(info) }
        let count = Int(unsafe i2d_PKCS8_PRIV_KEY_INFO(info, nil))
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            var next = buffer.baseAddress
            filled = max(0, Int(unsafe i2d_PKCS8_PRIV_KEY_INFO(info, &next)))
        }
    }
}
