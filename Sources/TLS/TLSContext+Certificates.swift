// Contexts of sessions with certificates: the settings that listeners and backends share.

import COpenSSL
import Configuration

extension Configuration.TLSVersion {
    var number: Int32 {
        switch self {
        case .v1_0: TLS1_VERSION
        case .v1_1: TLS1_1_VERSION
        case .v1_2: TLS1_2_VERSION
        case .v1_3: TLS1_3_VERSION
        }
    }
}

/// Versions and lists, whichever side they are for.
struct AgreementSettings {
    var minimum: Configuration.TLSVersion
    var maximum: Configuration.TLSVersion
    var ciphers: String
    var suites: String
    var groups: String

    init(_ tls: Configuration.ListenerTLS) {
        (minimum, maximum) = (tls.minimumVersion, tls.maximumVersion)
        (ciphers, suites, groups) = (tls.ciphers, tls.suites, tls.groups)
    }

    init(_ tls: Configuration.BackendTLS) {
        (minimum, maximum) = (tls.minimumVersion, tls.maximumVersion)
        (ciphers, suites, groups) = (tls.ciphers, tls.suites, tls.groups)
    }

    /// The directive that the library refuses, and why; `nil`: it takes all.
    func refusal() throws(TLSError) -> (directive: String, reason: String)? {
        let owner = try ContextHandle(.server)
        return apply(to: owner)
    }

    /// OpenSSL's own strength below which it refuses keys, suites and signatures: 112 bits, or anything for those who
    /// asked for versions that are weaker by themselves.
    private var securityLevel: Int32 { minimum < .v1_2 ? 0 : 2 }

    /// - Returns: the directive that the library refuses, and why; `nil`: all is set.
    func apply(to owner: ContextHandle) -> (directive: String, reason: String)? {
        // Sound: the handle is the owner's, which lives through the calls; texts are lent and copied.
        let handle = unsafe owner.handle
        ERR_clear_error()
        unsafe SSL_CTX_set_security_level(handle, securityLevel)
        func refused(_ directive: String) -> (directive: String, reason: String) {
            (directive, TLSError.takeQueue()?.text ?? "not known to OpenSSL")
        }
        guard unsafe cssl_ctx_set_min_version(handle, minimum.number) == 1 else { return refused("minimum-version") }
        guard unsafe cssl_ctx_set_max_version(handle, maximum.number) == 1 else { return refused("maximum-version") }
        guard unsafe SSL_CTX_set_cipher_list(handle, ciphers) == 1 else { return refused("ciphers") }
        guard unsafe SSL_CTX_set_ciphersuites(handle, suites) == 1 else { return refused("suites") }
        guard unsafe cssl_ctx_set_groups(handle, groups) == 1 else { return refused("groups") }
        // The order of suites is ours, except that a device without AES hardware gets ChaCha20 when it wants it.
        _ = unsafe SSL_CTX_set_options(
            handle,
            CSSL_OP_NO_COMPRESSION | CSSL_OP_NO_RENEGOTIATION | CSSL_OP_CIPHER_SERVER_PREFERENCE
                | CSSL_OP_PRIORITIZE_CHACHA)
        // An idle session holds no record buffers; authorities of clients never find their way into our own chain.
        unsafe cssl_ctx_set_mode(handle, CSSL_MODE_RELEASE_BUFFERS | CSSL_MODE_NO_AUTO_CHAIN)
        return nil
    }
}

extension ContextHandle {
    /// Puts authorities and revocation lists into the store the other side's certificate is judged by.
    ///
    /// - Throws: `library`.
    func trust(_ material: TLSMaterial) throws(TLSError) {
        // Sound: the store is borrowed from the context; it takes references of its own.
        let store = unsafe SSL_CTX_get_cert_store(handle)
        for encoded in material.authorities {
            guard let authority = Certificate(encoded: encoded) else {
                throw TLSError(.library, "an authority is no certificate")
            }
            guard unsafe X509_STORE_add_cert(store, authority.handle) == 1 else {
                throw .library("X509_STORE_add_cert")
            }
        }
        for encoded in material.revocations {
            guard let list = RevocationList(encoded: encoded) else {
                throw TLSError(.library, "a revocation list is none")
            }
            guard unsafe X509_STORE_add_crl(store, list.handle) == 1 else { throw .library("X509_STORE_add_crl") }
        }
        // Whoever is named as an authority is one, a root or not.
        _ = unsafe X509_STORE_set_flags(store, CSSL_V_PARTIAL_CHAIN)
        if !material.revocations.isEmpty {
            _ = unsafe X509_STORE_set_flags(store, CSSL_V_CRL_CHECK | CSSL_V_CRL_CHECK_ALL)
        }
    }
}
