// From OpenSSL's hands into plain data: the end of the handshake is the end of OpenSSL's part.

import COpenSSL

/// An established session as plain data.
package struct TakenOverSession: BitwiseCopyable {
    package var parameters: RecordParameters
    package var reading: RecordReading
    package var writing: RecordKeys
}

/// Why a session cannot be taken over: it goes on with OpenSSL's record layer, or is closed.
package enum TakeOverRefusal: String, Error, Hashable, Sendable, CaseIterable {
    /// The handshake is not done.
    case unfinished
    /// The context does not listen to its handshakes.
    case unobserved
    /// A version or suite we have no record layer for.
    case unsupported
    /// OpenSSL holds bytes in either direction: its position is not known exactly.
    case pending
    /// The secrets are not what the suite wants.
    case secrets
    /// libcrypto failed.
    case library
}

extension TLSSession {
    /// The session's keys and positions, once the handshake is done and everything OpenSSL had to send was taken.
    ///
    /// The caller has fed whole records and no byte behind the one that ended the handshake, so that what follows is its
    /// own. Afterwards this object must not be used any more.
    ///
    /// - Throws: why not; the session is as it was then.
    package func takeOver() throws(TakeOverRefusal) -> TakenOverSession {
        guard state == .established else { throw .unfinished }
        guard let witness else { throw .unobserved }
        guard unsent == 0, undecrypted == 0, unsafe SSL_has_pending(handle) == 0 else { throw .pending }
        guard let suite = negotiatedSuite else { throw .unsupported }
        let isServer = context.role == .server
        var fragment = 16_384
        if let session = unsafe SSL_get_session(handle) {
            let code = unsafe SSL_SESSION_get_max_fragment_length(session)
            // RFC 6066, 4: 1 is 2^9 ... 4 is 2^12.
            if (1...4).contains(code) { fragment = 256 << Int(code) }
        }
        let version: RecordVersion
        let client: RecordKeys
        let server: RecordKeys
        switch unsafe SSL_version(handle) {
        case TLS1_3_VERSION:
            version = .tls13
            (client, server) = try modernKeys(witness, suite)
        case TLS1_2_VERSION:
            version = .tls12
            (client, server) = try legacyKeys(witness, suite)
        default: throw .unsupported
        }
        witness.wipe()
        // OpenSSL forgets a session whose object goes before its end was said; this one only moves, and may be resumed.
        // Sound: the handle is ours, and the call sets two flags in it.
        unsafe SSL_set_shutdown(handle, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        return TakenOverSession(
            parameters: RecordParameters(
                version: version, suite: suite, isServer: isServer, maximumFragment: UInt16(fragment)),
            reading: RecordReading(keys: isServer ? client : server), writing: isServer ? server : client)
    }

    private var negotiatedSuite: RecordSuite? {
        let cipher = unsafe SSL_get_current_cipher(handle)
        return switch unsafe SSL_CIPHER_get_cipher_nid(cipher) {
        case NID_aes_128_gcm: .aes128GCM
        case NID_aes_256_gcm: .aes256GCM
        case NID_chacha20_poly1305: .chaCha20Poly1305
        default: nil
        }
    }

    private func modernKeys(
        _ witness: HandshakeWitness, _ suite: RecordSuite
    ) throws(TakeOverRefusal) -> (RecordKeys, RecordKeys) {
        guard witness.clientSecret.count == suite.hashLength, witness.serverSecret.count == suite.hashLength else {
            throw .secrets
        }
        guard let hash = SecretHash(suite), let client = TrafficKeys.keys(secret: witness.clientSecret, suite, hash),
            var server = TrafficKeys.keys(secret: witness.serverSecret, suite, hash)
        else { throw .library }
        // Our tickets are sealed already; a client has sealed nothing with its traffic keys yet.
        if context.role == .server { server.sequence = witness.recordsWritten }
        return (client, server)
    }

    private func legacyKeys(
        _ witness: HandshakeWitness, _ suite: RecordSuite
    ) throws(TakeOverRefusal) -> (RecordKeys, RecordKeys) {
        guard let session = unsafe SSL_get_session(handle) else { throw .secrets }
        var master = [UInt8](repeating: 0, count: 48)
        var clientRandom = [UInt8](repeating: 0, count: 32)
        var serverRandom = [UInt8](repeating: 0, count: 32)
        defer { TrafficKeys.wipe(&master) }
        // Sound: each call fills at most the count it is given.
        guard unsafe SSL_SESSION_get_master_key(session, &master, 48) == 48,
            unsafe SSL_get_client_random(handle, &clientRandom, 32) == 32,
            unsafe SSL_get_server_random(handle, &serverRandom, 32) == 32
        else { throw .secrets }
        do {
            var (client, server) = try TrafficKeys.legacyKeys(
                master: master, clientRandom: clientRandom, serverRandom: serverRandom, suite)
            // Each side's Finished, in one record or in several.
            guard witness.recordsRead > 0, witness.recordsWritten > 0 else { throw TakeOverRefusal.secrets }
            client.sequence = context.role == .server ? witness.recordsRead : witness.recordsWritten
            server.sequence = context.role == .server ? witness.recordsWritten : witness.recordsRead
            if suite.explicitNonceLength > 0 {
                guard let first = witness.explicitNonce else { throw TakeOverRefusal.secrets }
                // That of our record 0.
                if context.role == .server { server.explicitBase = first } else { client.explicitBase = first }
            }
            var count: UInt32 = 0
            // Sound: the library lends the identifier, which lives as long as the session, with its length: at most 32.
            if let id = unsafe SSL_SESSION_get_id(session, &count), count <= 32 {
                client.sessionID = unsafe Array(UnsafeBufferPointer(start: id, count: Int(count)))
            }
            return (client, server)
        } catch let refusal as TakeOverRefusal {
            throw refusal
        } catch {
            throw .library
        }
    }
}
