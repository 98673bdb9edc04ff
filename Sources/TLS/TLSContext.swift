// What TLS sessions of one kind have in common: versions, suites, credentials.

import COpenSSL
import Configuration

/// The settings of many sessions; never changed once it is made, so that sessions of all loops share it.
///
/// A reload makes a new one: new sessions begin with it, those that live keep theirs.
/// Safe to use: the library's handle never leaves this target.
@safe package final class TLSContext: Sendable {
    /// Which side of the handshake.
    package enum Role: Hashable, Sendable { case client, server }

    package let role: Role
    /// The only credential of the sessions, when they do without certificates.
    let presharedKey: PresharedKey?
    /// What a server decides during the handshake, when it has certificates.
    let server: ServerSide?
    /// What a client expects of the server, when it has certificates.
    let client: ClientSide?
    /// Lent to the sessions, which keep this object.
    var handle: OpaquePointer { unsafe owner.handle }

    /// Whether the sessions' handshakes are listened to, so that their records can be taken over.
    let isObserved: Bool

    private let owner: ContextHandle

    init(
        _ owner: ContextHandle, role: Role, presharedKey: PresharedKey? = nil, server: ServerSide? = nil,
        client: ClientSide? = nil, records: Configuration.RecordLayerChoice = .native
    ) {
        self.owner = owner
        isObserved = presharedKey == nil && records == .native
        self.role = role
        self.presharedKey = presharedKey
        self.server = server
        self.client = client
        if isObserved {
            unsafe SSL_CTX_set_keylog_callback(handle, HandshakeWitness.keyLog)
            unsafe SSL_CTX_set_msg_callback(handle, HandshakeWitness.messages)
        }
    }

    /// The suite of the pair link.
    private static let pairSuite = "TLS_AES_256_GCM_SHA384"

    /// TLS 1.3 with an external pre-shared key and fresh Diffie-Hellman shares, nothing else: no certificates, no
    /// tickets, no early data. Who does not know the key gets no session.
    ///
    /// - Throws: `library`.
    package convenience init(presharedKey: PresharedKey, role: Role) throws(TLSError) {
        let owner = try ContextHandle(role)
        // Sound: here and below, the handle was just made and is owned by this object.
        let handle = unsafe owner.handle
        guard unsafe cssl_ctx_set_min_version(handle, TLS1_3_VERSION) == 1,
            unsafe cssl_ctx_set_max_version(handle, TLS1_3_VERSION) == 1,
            unsafe SSL_CTX_set_ciphersuites(handle, Self.pairSuite) == 1,
            unsafe SSL_CTX_set_num_tickets(handle, 0) == 1
        else { throw .library("SSL_CTX settings") }
        // Without SSL_OP_ALLOW_NO_DHE_KEX there is no psk_ke: each session has keys of its own (RFC 8446, 4.2.9).
        _ = unsafe SSL_CTX_set_options(handle, CSSL_OP_NO_TICKET | CSSL_OP_NO_COMPRESSION)
        unsafe cssl_ctx_set_session_cache_mode(handle, CSSL_SESS_CACHE_OFF)
        // An idle session holds no record buffers.
        unsafe cssl_ctx_set_mode(handle, CSSL_MODE_RELEASE_BUFFERS)
        switch role {
        case .client:
            // A server that answers with a certificate instead of the key: no issuer is trusted, so it is refused.
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
            unsafe SSL_CTX_set_psk_use_session_callback(handle, PresharedKeyCallbacks.use)
        case .server:
            unsafe SSL_CTX_set_psk_find_session_callback(handle, PresharedKeyCallbacks.find)
        }
        self.init(owner, role: role, presharedKey: presharedKey)
    }
}
