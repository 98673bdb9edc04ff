// OpenSSL's questions about the pre-shared key, answered from the session's context.

import COpenSSL

/// The C functions that OpenSSL calls during a handshake with an external pre-shared key.
enum PresharedKeyCallbacks {
    /// TLS_AES_256_GCM_SHA384 (RFC 8446, B.4).
    private static let suite: [UInt8] = [0x13, 0x02]

    /// The client's: which identity and key to offer.
    static let use: SSL_psk_use_session_cb_func = { ssl, digest, identity, identityCount, session in
        guard let owner = unsafe TLSSession.owner(of: ssl), let key = owner.context.presharedKey,
            let made = unsafe makeSession(for: key, on: ssl)
        else { return 0 }
        // Sound: the copy belongs to the session, which outlives the handshake that reads it.
        unsafe identity?.pointee = unsafe UnsafePointer(owner.identityCopy)
        unsafe identityCount?.pointee = key.identity.count
        unsafe session?.pointee = made
        return 1
    }

    /// The server's: the key of an identity; none for another identity, which ends the handshake.
    static let find: SSL_psk_find_session_cb_func = { ssl, identity, identityCount, session in
        guard let owner = unsafe TLSSession.owner(of: ssl), let key = owner.context.presharedKey else { return 0 }
        // Sound: the library lends the identity with its length for the duration of the call.
        let offered = unsafe Array(UnsafeBufferPointer(start: identity, count: identityCount))
        unsafe session?.pointee = nil
        guard offered == key.identity else {
            owner.noteForeignIdentity(offered)
            return 1
        }
        guard let made = unsafe makeSession(for: key, on: ssl) else { return 0 }
        unsafe session?.pointee = made
        return 1
    }

    /// A session of the only suite with the key as its secret; the library takes it over.
    private static func makeSession(for key: PresharedKey, on ssl: OpaquePointer?) -> OpaquePointer? {
        // Sound: made here, freed here when it cannot be completed, handed over otherwise; setting the key copies it.
        guard let session = unsafe SSL_SESSION_new() else { return nil }
        let cipher = unsafe SSL_CIPHER_find(ssl, suite)
        guard unsafe cipher != nil,
            unsafe SSL_SESSION_set1_master_key(session, key.key, key.key.count) == 1,
            unsafe SSL_SESSION_set_cipher(session, cipher) == 1,
            unsafe SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1
        else {
            unsafe SSL_SESSION_free(session)
            return nil
        }
        return unsafe session
    }
}
