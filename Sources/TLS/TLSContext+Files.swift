// Contexts from files: a certificate and its key for a server, the authorities to trust for a client.

import COpenSSL
import Configuration

extension TLSContext {
    /// A server with one certificate.
    ///
    /// - Parameters:
    ///   - chain: PEM file, the server's certificate first.
    ///   - key: PEM file.
    ///   - version: the only version spoken, 12 or 13; `nil`: both.
    ///   - records: who reads and writes the records after the handshake.
    /// - Throws: `library`.
    convenience init(
        server chain: String, key: String, version: Int? = nil, records: Configuration.RecordLayerChoice = .native
    ) throws(TLSError) {
        let owner = try Self.makeOwner(.server, version)
        // Sound: here and below, the handle was just made and belongs to its owner.
        guard unsafe SSL_CTX_use_certificate_chain_file(owner.handle, chain) == 1,
            unsafe SSL_CTX_use_PrivateKey_file(owner.handle, key, SSL_FILETYPE_PEM) == 1
        else { throw .library("SSL_CTX_use_certificate") }
        self.init(owner, role: .server, records: records)
    }

    /// A client that trusts the authorities in a PEM file.
    ///
    /// - Throws: `library`.
    convenience init(
        clientTrusting authorities: String, version: Int? = nil, records: Configuration.RecordLayerChoice = .native
    ) throws(TLSError) {
        let owner = try Self.makeOwner(.client, version)
        guard unsafe SSL_CTX_load_verify_locations(owner.handle, authorities, nil) == 1 else {
            throw .library("SSL_CTX_load_verify_locations")
        }
        unsafe SSL_CTX_set_verify(owner.handle, SSL_VERIFY_PEER, nil)
        self.init(owner, role: .client, records: records)
    }

    private static func makeOwner(_ role: Role, _ version: Int?) throws(TLSError) -> ContextHandle {
        let owner = try ContextHandle(role)
        let handle = unsafe owner.handle
        _ = unsafe cssl_ctx_set_min_version(handle, version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION)
        _ = unsafe cssl_ctx_set_max_version(handle, version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION)
        _ = unsafe SSL_CTX_set_options(handle, CSSL_OP_NO_COMPRESSION)
        unsafe cssl_ctx_set_session_cache_mode(handle, CSSL_SESS_CACHE_OFF)
        unsafe cssl_ctx_set_mode(handle, CSSL_MODE_RELEASE_BUFFERS)
        return owner
    }
}
