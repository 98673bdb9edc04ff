// What a backend expects of its servers.

import COpenSSL
package import Configuration
import Wire

/// The expectations of a client; never changed, shared by the loops.
struct ClientSide: Sendable {
    /// The name asked for and expected; `nil`: the address is expected.
    var serverName: String?
    var verifies: Bool
}

extension TLSContext {
    /// Sessions with the servers of a backend.
    ///
    /// - Parameter material: authorities, and at most one identity of our own.
    /// - Throws: `library`, with the directive's name in front when the library refuses a setting.
    package convenience init(backend tls: Configuration.BackendTLS, material: TLSMaterial) throws(TLSError) {
        let owner = try ContextHandle(.client)
        if let refusal = AgreementSettings(tls).apply(to: owner) {
            throw TLSError(.library, "\(refusal.directive): \(refusal.reason)")
        }
        if let identity = material.identities.first { try TLSIdentity(identity).install(in: owner) }
        // Sound: the handle is the owner's and not yet shared.
        unsafe cssl_ctx_set_session_cache_mode(owner.handle, CSSL_SESS_CACHE_OFF)
        if tls.verifies {
            try owner.trust(material)
            unsafe SSL_CTX_set_verify(owner.handle, SSL_VERIFY_PEER, nil)
        } else {
            unsafe SSL_CTX_set_verify(owner.handle, SSL_VERIFY_NONE, nil)
        }
        self.init(
            owner, role: .client, client: ClientSide(serverName: tls.serverName, verifies: tls.verifies),
            records: tls.records)
    }
}
