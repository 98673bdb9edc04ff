// One TLS session driven over memory: ciphertext in and out on one side, plaintext on the other.

import COpenSSL
package import Wire

/// A session without a socket: whoever has the transport carries the bytes.
///
/// Feed what arrives to ``receive(_:)``, send what ``takeCiphertext(limit:)`` gives after every call, and take the
/// plaintext with ``readPlaintext(limit:)``. Memory is bounded by the caller, who stops reading from the network while
/// ``undecrypted`` and stops writing while ``unsent`` is more than it wants to hold.
///
/// Safe to use: the library's pointers never leave this target.
@safe package final class TLSSession {
    package enum State: Hashable, Sendable {
        case handshaking
        /// Plaintext may be written and read.
        case established
        /// The peer has sent close_notify: nothing more will come. We may still write.
        case ended
        /// We have sent close_notify, or both have.
        case closed
        /// Over; what is ``unsent`` may hold the alert that tells the peer.
        case failed(TLSError)
    }

    /// Most bytes that one call of OpenSSL encrypts or decrypts.
    package static let recordSize = 16_384

    package private(set) var state: State = .handshaking

    let context: TLSContext
    /// The identity as OpenSSL wants it during the handshake; owned.
    let identityCopy: UnsafeMutablePointer<UInt8>
    /// Owned.
    let handle: OpaquePointer
    /// Listens to the handshake, for sessions whose records we take over.
    let witness: HandshakeWitness?
    /// Ciphertext from the network; owned by the handle.
    let incoming: OpaquePointer
    /// Ciphertext for the network; owned by the handle.
    let outgoing: OpaquePointer
    /// An identity was offered that is not the one expected here.
    private var foreignIdentity: [UInt8]?

    /// Begins a session; a client's first message is ready to be taken at once.
    ///
    /// - Parameters:
    ///   - server: the address a client connects to: what the certificate must have when no name is expected.
    ///   - former: what a client offers to resume.
    /// - Throws: `library`.
    package init(
        _ context: TLSContext, to server: IPAddress? = nil, resuming former: TLSResumption? = nil
    ) throws(TLSError) {
        ERR_clear_error()
        guard let handle = unsafe SSL_new(context.handle) else { throw .library("SSL_new") }
        guard let incoming = unsafe BIO_new(BIO_s_mem()), let outgoing = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(handle)
            throw .library("BIO_new")
        }
        unsafe cssl_bio_wait_when_empty(incoming)
        unsafe cssl_bio_wait_when_empty(outgoing)
        // The handle owns both from here on.
        unsafe SSL_set_bio(handle, incoming, outgoing)
        self.context = context
        witness = context.isObserved ? HandshakeWitness() : nil
        unsafe self.handle = unsafe handle
        unsafe self.incoming = unsafe incoming
        unsafe self.outgoing = unsafe outgoing
        let identity = context.presharedKey?.identity ?? []
        unsafe identityCopy = .allocate(capacity: max(1, identity.count))
        unsafe identityCopy.update(from: identity, count: identity.count)
        // Sound: the handle is freed in deinit, so it never outlives the object it points back to.
        _ = unsafe cssl_set_app_data(handle, Unmanaged.passUnretained(self).toOpaque())
        switch context.role {
        case .client:
            if let client = context.client { try expect(client, at: server) }
            if let former {
                guard let copy = former.copy() else { throw .library("SSL_SESSION_dup") }
                // Sound: the library takes a reference of its own.
                guard unsafe SSL_set_session(handle, copy.handle) == 1 else { throw .library("SSL_set_session") }
            }
            unsafe SSL_set_connect_state(handle)
            try advance()
        case .server:
            unsafe SSL_set_accept_state(handle)
        }
    }

    /// Tells the library whom a client expects.
    private func expect(_ client: ClientSide, at server: IPAddress?) throws(TLSError) {
        // Sound: the parameters are borrowed from the handle; texts and octets are lent and copied.
        if let name = client.serverName {
            guard unsafe cssl_set_host_name(handle, name) == 1 else { throw .library("SSL_set_tlsext_host_name") }
            guard client.verifies else { return }
            guard unsafe SSL_set1_host(handle, name) == 1 else { throw .library("SSL_set1_host") }
        } else if client.verifies, let octets = server?.octets {
            guard unsafe X509_VERIFY_PARAM_set1_ip(SSL_get0_param(handle), octets, octets.count) == 1 else {
                throw .library("X509_VERIFY_PARAM_set1_ip")
            }
        } else if client.verifies {
            throw TLSError(.library, "neither a name nor an address of the server is known")
        }
    }

    deinit {
        // Sound: both are owned by this object alone.
        unsafe SSL_free(handle)
        unsafe identityCopy.deallocate()
    }

    /// The session that OpenSSL calls back about.
    static func owner(of ssl: OpaquePointer?) -> TLSSession? {
        // Sound: set in init, and callbacks come only from within calls on a living session.
        guard let data = unsafe cssl_app_data(ssl) else { return nil }
        return unsafe Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
    }

    func noteForeignIdentity(_ offered: [UInt8]) { foreignIdentity = offered }

    /// Whether the other side waits for what is ``unsent`` when the handshake is done: in TLS 1.3 that is nothing but tickets.
    package var isAwaited: Bool { unsafe SSL_version(handle) < TLS1_3_VERSION || context.role == .client }

    /// Whether its context wants the records to be taken over once the handshake is done.
    package var isObserved: Bool { context.isObserved }

    // MARK: Ciphertext

    /// Takes what the network brought, and carries on with the handshake while there is one.
    ///
    /// - Throws: why the session failed; take the ciphertext nevertheless, it tells the peer.
    package func receive(_ ciphertext: Span<UInt8>) throws(TLSError) {
        if case .failed(let error) = state { throw error }
        var taken = 0
        // Sound: the span's memory is lent with its count; a memory BIO copies.
        let accepted = unsafe ciphertext.withUnsafeBufferPointer { bytes in
            bytes.isEmpty ? 1 : unsafe BIO_write_ex(incoming, bytes.baseAddress, bytes.count, &taken)
        }
        guard accepted == 1, taken == ciphertext.count else { throw fail(.library("BIO_write")) }
        if state == .handshaking { try advance() }
    }

    /// Says that the network will bring nothing more.
    ///
    /// - Throws: `truncated` when the peer has not closed the session itself.
    package func receiveEnd() throws(TLSError) {
        switch state {
        case .handshaking: throw fail(TLSError(.truncated, "the connection ended during the handshake"))
        case .established: throw fail(TLSError(.truncated, "the connection ended without close_notify"))
        case .ended, .closed: return
        case .failed(let error): throw error
        }
    }

    /// Bytes for the network, at most `limit`; empty when there are none now.
    package func takeCiphertext(limit: Int) -> [UInt8] {
        let count = min(limit, unsent)
        guard count > 0 else { return [] }
        var taken = 0
        // Sound: the array's own memory of `count` bytes is lent; the call says how much of it was filled.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let result = unsafe BIO_read_ex(outgoing, buffer.baseAddress, count, &taken)
            filled = result == 1 ? taken : 0
        }
        witness?.pass(bytes.span)
        return bytes
    }

    /// Bytes that ``takeCiphertext(limit:)`` would give.
    package var unsent: Int { unsafe BIO_ctrl_pending(outgoing) }

    /// Bytes received and not yet decrypted.
    package var undecrypted: Int { unsafe BIO_ctrl_pending(incoming) }

    // MARK: Plaintext

    /// Decrypts at most one record; empty when nothing more is here. ``state`` tells whether more can come.
    ///
    /// - Throws: why the session failed.
    package func readPlaintext(limit: Int = recordSize) throws(TLSError) -> [UInt8] {
        switch state {
        case .handshaking, .ended: return []
        // After our own close_notify the peer may still have something to say (RFC 8446, 6.1).
        case .established, .closed: break
        case .failed(let error): throw error
        }
        ERR_clear_error()
        var result: Int32 = 0
        // Sound: the array's own memory of `limit` bytes is lent; the call says how much of it was filled.
        let plaintext = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            var count = 0
            result = unsafe SSL_read_ex(handle, buffer.baseAddress, limit, &count)
            filled = result == 1 ? count : 0
        }
        if result != 1 { try judge(result, "SSL_read") }
        return plaintext
    }

    /// Encrypts all of it; the ciphertext is ready to be taken.
    ///
    /// - Throws: `closed` when the session is not ready for it or no more, else why it failed.
    package func write(_ plaintext: Span<UInt8>) throws(TLSError) {
        switch state {
        case .established, .ended: break
        case .handshaking: throw TLSError(.closed, "the handshake is not done")
        case .closed: throw TLSError(.closed, "close_notify was sent")
        case .failed(let error): throw error
        }
        guard !plaintext.isEmpty else { return }
        ERR_clear_error()
        var written = 0
        // Sound: the span's memory is lent with its count. A memory BIO grows, so nothing is written in part.
        let result = unsafe plaintext.withUnsafeBufferPointer { bytes in
            unsafe SSL_write_ex(handle, bytes.baseAddress, bytes.count, &written)
        }
        if result != 1 { try judge(result, "SSL_write") }
        guard written == plaintext.count else { throw fail(TLSError(.library, "SSL_write took only a part")) }
    }

    /// Sends close_notify: nothing more will be written.
    package func close() {
        guard state == .established || state == .ended else { return }
        ERR_clear_error()
        // The result says only whether the peer has closed too.
        _ = unsafe SSL_shutdown(handle)
        ERR_clear_error()
        state = .closed
    }

    // MARK: Progress

    private func advance() throws(TLSError) {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(handle)
        guard result == 1 else { return try judge(result, "SSL_do_handshake") }
        // The only credential of such a session is its key, and using one counts as resuming (RFC 8446, 2.2).
        if context.presharedKey != nil, unsafe SSL_session_reused(handle) != 1 {
            throw fail(TLSError(.missingSecret, "the other side did without the pre-shared key"))
        }
        state = .established
    }

    /// Waiting is no error; the end is a state; everything else ends the session.
    func judge(_ result: Int32, _ call: String) throws(TLSError) {
        switch unsafe SSL_get_error(handle, result) {
        case SSL_ERROR_WANT_READ: return
        case SSL_ERROR_ZERO_RETURN:
            // close_notify: what is not done by now never will be (RFC 8446, 6.1), and nobody has to wait for the deadline.
            if state == .handshaking { throw fail(TLSError(.refused, "the other side closed during the handshake")) }
            if state == .established { state = .ended }
        default:
            guard let (code, text) = TLSError.takeQueue() else {
                throw fail(TLSError(.library, "\(call) failed without a reason"))
            }
            throw fail(explain(code, text))
        }
    }

    private func fail(_ error: TLSError) -> TLSError {
        state = .failed(error)
        return error
    }

    /// Gives OpenSSL's reason its meaning in a handshake with a pre-shared key.
    private func explain(_ code: Int32, _ text: String) -> TLSError {
        if state == .handshaking, context.presharedKey != nil {
            switch code {
            case SSL_R_BINDER_DOES_NOT_VERIFY:
                return TLSError(.wrongSecret, "the other side has another secret (\(text))")
            case alert(SSL_AD_ILLEGAL_PARAMETER), alert(SSL_AD_DECRYPT_ERROR):
                return TLSError(.wrongSecret, "the other side did not accept our secret (\(text))")
            case _ where foreignIdentity != nil:
                return TLSError(.wrongIdentity, "the other side calls itself or us something else (\(text))")
            case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SHARED_CIPHER, SSL_R_CERTIFICATE_VERIFY_FAILED,
                SSL_R_MISSING_PSK_KEX_MODES_EXTENSION:
                return TLSError(.missingSecret, "the other side did without the pre-shared key (\(text))")
            case alert(SSL_AD_HANDSHAKE_FAILURE), alert(SSL_AD_UNKNOWN_PSK_IDENTITY):
                return TLSError(.wrongIdentity, "the other side does not know us by this name (\(text))")
            default: break
            }
        }
        switch code {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            // Sound: the library's texts are static C strings.
            let reason = unsafe X509_verify_cert_error_string(SSL_get_verify_result(handle)).map {
                unsafe String(cString: $0)
            }
            return TLSError(.untrusted, reason ?? text)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TLSError(.noCertificate, text)
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION:
            return TLSError(.noAgreement, text)
        default: break
        }
        return TLSError(code >= SSL_AD_REASON_OFFSET ? .refused : .malformed, text)
    }

    /// The reason code of an alert that arrived.
    private func alert(_ description: Int32) -> Int32 { SSL_AD_REASON_OFFSET + description }
}
