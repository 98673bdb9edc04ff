// The cipher suites whose records we can read and write ourselves.

/// An AEAD of TLS with the hash of its suite (RFC 8446, B.4; RFC 5288; RFC 7905).
///
/// Everything else (CBC, CCM) stays with OpenSSL's own record layer.
package enum RecordSuite: UInt8, BitwiseCopyable, Hashable, Sendable, CaseIterable {
    case aes128GCM = 1
    case aes256GCM = 2
    case chaCha20Poly1305 = 3

    /// Bytes of a key.
    package var keyLength: Int { self == .aes128GCM ? 16 : 32 }
    /// Bytes of the suite's hash, and so of a TLS 1.3 traffic secret.
    package var hashLength: Int { self == .aes256GCM ? 48 : 32 }
    /// The hash's name in OpenSSL's words.
    package var hashName: String { self == .aes256GCM ? "SHA384" : "SHA256" }
    /// The AEAD's name in OpenSSL's words.
    var cipherName: String {
        switch self {
        case .aes128GCM: "AES-128-GCM"
        case .aes256GCM: "AES-256-GCM"
        case .chaCha20Poly1305: "ChaCha20-Poly1305"
        }
    }

    /// Bytes of a nonce that stand in each TLS 1.2 record (RFC 5288, 3); ChaCha20-Poly1305 has none (RFC 7905, 2).
    var explicitNonceLength: Int { self == .chaCha20Poly1305 ? 0 : 8 }

    /// Records under one key after which a new one is due: 2^24 for AES-GCM (RFC 8446, 5.5), where 2^24.5 full records
    /// are the bound; ChaCha20-Poly1305 has none below the sequence number's own.
    package var recordLimit: UInt64 { self == .chaCha20Poly1305 ? 1 << 60 : 1 << 24 }
}
