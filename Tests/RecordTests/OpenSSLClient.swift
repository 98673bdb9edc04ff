// A client of OpenSSL's own making, over memory: the other end of sessions that are taken over.

import COpenSSL
import Configuration
import Glibc

@testable import TLS

/// What a client asks for.
struct Wish: Sendable, CustomStringConvertible {
    var version = RecordVersion.tls13
    var suite = RecordSuite.aes128GCM
    var isResumed = false
    /// Tickets that the server writes after a full handshake of TLS 1.3.
    var tickets = 2
    /// The server does not take the group of the client's first share.
    var isRetried = false
    var showsCertificate = false
    /// RFC 6066, 4: 1...4 is 512...4096; 0: nothing is asked for.
    var fragment: UInt8 = 0

    var description: String {
        "\(version) \(suite)\(isResumed ? " resumed" : "") tickets \(tickets)\(isRetried ? " retried" : "")"
            + "\(showsCertificate ? " certificate" : "")\(fragment > 0 ? " fragment \(fragment)" : "")"
    }
}

/// Certificates of this target, made once by openssl.
enum Workshop {
    static let directory: String = {
        let directory = "/tmp/understudy-records-\(getpid())"
        let new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
        // Sound: the string is lent to the call.
        let made = unsafe system(
            """
            mkdir -p \(directory) && cd \(directory) && \(new) -subj /CN=mqtt.example.com -keyout server.key \
            -out server.pem 2>/dev/null && \(new) -subj /CN=meter -keyout client.key -out client.pem 2>/dev/null
            """)
        precondition(made == 0, "openssl made no certificate")
        atexit { _ = unsafe system("rm -rf /tmp/understudy-records-\(getpid())") }
        return directory
    }()

    /// A server as a client wishes it.
    static func server(_ wish: Wish, records: Bool = true, ciphers: String? = nil) throws -> TLSContext {
        let context = try TLSContext(
            server: directory + "/server.pem", key: directory + "/server.key",
            version: wish.version == .tls13 ? 13 : 12, records: records ? .native : .openssl)
        let handle = unsafe context.handle
        _ = unsafe SSL_CTX_set_num_tickets(handle, wish.tickets)
        if let ciphers { _ = unsafe SSL_CTX_set_cipher_list(handle, ciphers) }
        if wish.isRetried { _ = unsafe cssl_ctx_set_groups(handle, "P-256") }
        _ = unsafe SSL_CTX_set_session_id_context(handle, [1], 1)
        if wish.showsCertificate {
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
            _ = unsafe SSL_CTX_load_verify_locations(handle, directory + "/client.pem", nil)
        }
        return context
    }
}

/// A session that another client can resume. Safe: it is kept until the process ends.
@safe struct Resumable {
    fileprivate let session: OpaquePointer
}

/// OpenSSL as a client: nothing of ours is in it. Safe: the handles go nowhere else.
@safe final class OpenSSLClient {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Alerts that arrived: level × 256 + description.
    var isShut: Bool { unsafe SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }

    /// - Parameter session: of an earlier client, to be resumed.
    init(_ wish: Wish, resuming session: Resumable? = nil, ciphers: String? = nil) {
        // Sound: everything was just made, is used by this object alone, and lives until the process ends: tests are few.
        unsafe context = SSL_CTX_new(TLS_client_method())!
        let version = wish.version == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
        _ = unsafe cssl_ctx_set_min_version(context, version)
        _ = unsafe cssl_ctx_set_max_version(context, version)
        switch wish.suite {
        case .aes128GCM:
            _ = unsafe SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256")
            _ = unsafe SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256")
        case .aes256GCM:
            _ = unsafe SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384")
            _ = unsafe SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES256-GCM-SHA384")
        case .chaCha20Poly1305:
            _ = unsafe SSL_CTX_set_ciphersuites(context, "TLS_CHACHA20_POLY1305_SHA256")
            _ = unsafe SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-CHACHA20-POLY1305")
        }
        if let ciphers { _ = unsafe SSL_CTX_set_cipher_list(context, ciphers) }
        _ = unsafe cssl_ctx_set_groups(context, wish.isRetried ? "X25519:P-256" : "P-256:X25519")
        if wish.fragment > 0 { _ = unsafe SSL_CTX_set_tlsext_max_fragment_length(context, wish.fragment) }
        if wish.showsCertificate {
            _ = unsafe SSL_CTX_use_certificate_chain_file(context, Workshop.directory + "/client.pem")
            _ = unsafe SSL_CTX_use_PrivateKey_file(context, Workshop.directory + "/client.key", SSL_FILETYPE_PEM)
        }
        unsafe ssl = SSL_new(context)!
        unsafe incoming = BIO_new(BIO_s_mem())!
        unsafe outgoing = BIO_new(BIO_s_mem())!
        unsafe cssl_bio_wait_when_empty(incoming)
        unsafe cssl_bio_wait_when_empty(outgoing)
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        if let session { _ = unsafe SSL_set_session(ssl, session.session) }
        unsafe SSL_set_connect_state(ssl)
    }

    /// Goes on with the handshake; whether it is done.
    func shakeHands() -> Bool {
        ERR_clear_error()
        return unsafe SSL_do_handshake(ssl) == 1
    }

    var isResumed: Bool { unsafe SSL_session_reused(ssl) == 1 }

    /// Its session, for another client.
    func session() -> Resumable? {
        guard let session = unsafe SSL_get1_session(ssl) else { return nil }
        return unsafe Resumable(session: session)
    }

    /// Everything for the network.
    func take() -> [UInt8] {
        let count = unsafe BIO_ctrl_pending(outgoing)
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        var taken = 0
        _ = unsafe BIO_read_ex(outgoing, &bytes, count, &taken)
        precondition(taken == count)
        return bytes
    }

    func receive(_ bytes: [UInt8]) {
        var taken = 0
        guard !bytes.isEmpty else { return }
        _ = unsafe BIO_write_ex(incoming, bytes, bytes.count, &taken)
        precondition(taken == bytes.count)
    }

    func write(_ bytes: [UInt8]) {
        var written = 0
        let result = unsafe SSL_write_ex(ssl, bytes, bytes.count, &written)
        precondition(result == 1 && written == bytes.count, "OpenSSL's client cannot write")
    }

    /// What has come; `nil` when the session is over or broken.
    func read() -> [UInt8]? {
        var all: [UInt8] = []
        while true {
            ERR_clear_error()
            var bytes = [UInt8](repeating: 0, count: 16_384)
            var count = 0
            let result = unsafe SSL_read_ex(ssl, &bytes, bytes.count, &count)
            if result == 1 {
                all += bytes[..<count]
                continue
            }
            return unsafe SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ ? all : nil
        }
    }

    /// Announces new keys with the next write, and may ask for ours.
    func updateKeys(requesting: Bool) {
        let kind = requesting ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
        precondition(unsafe SSL_key_update(ssl, kind) == 1 && SSL_do_handshake(ssl) == 1)
    }

    func close() { _ = unsafe SSL_shutdown(ssl) }
}
