// Who a side of a handshake says it is: a certificate, its chain, and the key that proves it.

import COpenSSL

/// A certificate with everything that is sent with it and the key; never changed, so that all loops share it.
///
/// Safe to use: what it owns is only ever read.
@safe final class TLSIdentity: Sendable {
    let certificate: Certificate
    let key: PrivateKey
    private let issuers: [Certificate]
    // Sound: made in init, read by handshakes of any thread, which take references of their own.
    nonisolated(unsafe) private let chain: OpaquePointer

    /// - Parameter issuers: the rest of the chain, each the issuer of the one before.
    /// - Throws: `library`.
    init(_ certificate: Certificate, issuers: [Certificate], key: PrivateKey) throws(TLSError) {
        guard let chain = unsafe cssl_x509_stack() else { throw .library("sk_X509_new") }
        // Sound: the stack refers to certificates that this object keeps.
        for issuer in issuers { _ = unsafe cssl_x509_push(chain, issuer.handle) }
        self.certificate = certificate
        self.key = key
        self.issuers = issuers
        unsafe self.chain = unsafe chain
    }

    /// Reads an identity that was handed over.
    ///
    /// - Throws: `library` for what is no certificate, no key, or not a pair of both.
    convenience init(_ material: TLSMaterial.Identity) throws(TLSError) {
        let certificates = material.chain.compactMap { Certificate(encoded: $0) }
        guard let leaf = certificates.first, certificates.count == material.chain.count else {
            throw TLSError(.library, "\(material.name): not a certificate")
        }
        guard let key = PrivateKey(encoded: material.key), key.belongs(to: leaf) else {
            throw TLSError(.library, "\(material.name): not the key of the certificate")
        }
        try self.init(leaf, issuers: Array(certificates.dropFirst()), key: key)
    }

    deinit { unsafe cssl_x509_stack_free(chain) }

    /// Makes it the identity of all sessions of a context that choose no other.
    ///
    /// - Throws: `library`, for example for a key that is too weak for the security level.
    func install(in owner: ContextHandle) throws(TLSError) {
        ERR_clear_error()
        // Sound: the library takes its own references of what it is given.
        guard unsafe SSL_CTX_use_cert_and_key(owner.handle, certificate.handle, key.handle, chain, 1) == 1 else {
            throw .library("SSL_CTX_use_cert_and_key")
        }
    }

    /// Makes it the identity of one session.
    func use(in session: OpaquePointer) -> Bool {
        // Sound: as above.
        unsafe SSL_use_cert_and_key(session, certificate.handle, key.handle, chain, 1) == 1
    }
}
