// What a session came to, taken out of the library's object.

import COpenSSL

extension TLSSession {
    /// The outcome of the handshake; `nil` until it is done.
    package var facts: TLSFacts? {
        switch state {
        case .established, .ended, .closed: break
        case .handshaking, .failed: return nil
        }
        // Sound: here and below, texts of the library are static or live as long as the session, and are copied; the
        // certificate comes with a reference of its own.
        let version = unsafe SSL_get_version(handle).map { unsafe String(cString: $0) } ?? ""
        let cipher = unsafe SSL_CIPHER_get_name(SSL_get_current_cipher(handle)).map { unsafe String(cString: $0) } ?? ""
        let certificate = unsafe SSL_get1_peer_certificate(handle).map { unsafe Certificate(owning: $0) }
        let isJudged = context.server?.verifies ?? context.client?.verifies ?? false
        let isGood = unsafe SSL_get_verify_result(handle) == Int(X509_V_OK)
        return TLSFacts(
            version: version, cipher: cipher, serverName: unsafe ServerCallbacks.serverName(handle),
            applicationProtocol: applicationProtocol, isResumed: unsafe SSL_session_reused(handle) == 1,
            certificate: certificate?.facts,
            isVerified: certificate != nil && isJudged && isGood)
    }

    private var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(handle, &name, &count)
        guard count > 0, let start = unsafe name else { return nil }
        return unsafe String(decoding: UnsafeBufferPointer(start: start, count: Int(count)), as: UTF8.self)
    }
}
