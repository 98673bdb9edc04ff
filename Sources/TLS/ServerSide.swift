// What a listener decides while a handshake runs: certificate, protocol, tickets.

import COpenSSL
package import Configuration
import Linux
import Synchronization

/// Tells the wall-clock time, in seconds since 1970.
package typealias WallClock = @Sendable () -> Int64

/// The decisions of a server with certificates; never changed, shared by the loops.
final class ServerSide: Sendable {
    /// Most bytes of a client's certificate and those above it; a handshake that shows more fails.
    static let longestCertificates = 16_384

    let identities: [TLSIdentity]
    let names: ServerNames
    /// The certificate of clients that ask for no name, and those of its names: other kinds of key.
    let defaults: [Int]
    let unknownServerName: Configuration.UnknownServerName
    /// In the order of preference; empty: ALPN is not answered.
    let protocols: [[UInt8]]
    /// Whether a client that offers only other protocols is refused.
    let insistsOnProtocol: Bool
    /// Whether certificates of clients are judged.
    let verifies: Bool
    let tickets: TicketRing
    /// Seconds.
    let sessionTimeout: Int64
    let clock: WallClock

    init(
        _ tls: Configuration.ListenerTLS, identities: [TLSIdentity], defaultIndex: Int, protocol name: String,
        tickets: TicketKeys, clock: @escaping WallClock
    ) {
        self.identities = identities
        names = ServerNames(identities.map { $0.certificate.serverNames })
        // A twin of the default certificate with another kind of key belongs to it.
        let own = Set(identities[defaultIndex].certificate.serverNames)
        defaults =
            [defaultIndex]
            + identities.indices.filter { index in
                index != defaultIndex && Set(identities[index].certificate.serverNames) == own
            }
        unknownServerName = tls.unknownServerName
        switch tls.applicationProtocols {
        case .automatic: (protocols, insistsOnProtocol) = ([Array(name.utf8)], false)
        case .off: (protocols, insistsOnProtocol) = ([], false)
        case .names(let names): (protocols, insistsOnProtocol) = (names.map { Array($0.utf8) }, true)
        }
        verifies = tls.clientCertificate == .required || tls.clientCertificate == .optional
        self.tickets = TicketRing(tickets)
        sessionTimeout = tls.sessionTimeout.components.seconds
        self.clock = clock
    }

    /// The certificates for a name, of each kind of key the first; `nil`: the client is to be refused.
    func choice(for name: String?) -> [Int]? {
        guard let name else { return defaults }
        let found = names.certificates(for: name)
        guard found.isEmpty else { return distinct(found) }
        return unknownServerName == .refuse ? nil : defaults
    }

    private func distinct(_ indices: [Int]) -> [Int] {
        var kinds: Set<Int32> = []
        return indices.filter { kinds.insert(identities[$0].certificate.keyKind).inserted }
    }
}

extension TLSContext {
    /// Sessions of a listener.
    ///
    /// - Parameters:
    ///   - material: its certificates, keys, authorities and lists.
    ///   - protocol: what the listener speaks, as ALPN calls it: `mqtt`, or `http/1.1` for WebSocket.
    ///   - ticketSecret: ``TicketKeys/secretCount`` octets; contexts with the same secret and the same demands on clients
    ///     resume each other's sessions, whatever process or host they are in.
    ///   - clock: the age of tickets is told by it.
    /// - Throws: `library`, with the directive's name in front when the library refuses a setting.
    package convenience init(
        listener tls: Configuration.ListenerTLS, material: TLSMaterial, protocol: String = "mqtt",
        ticketSecret: [UInt8], clock: @escaping WallClock = { Clock.wallMicroseconds / 1_000_000 }
    ) throws(TLSError) {
        var identities: [TLSIdentity] = []
        for identity in material.identities { identities.append(try TLSIdentity(identity)) }
        guard !identities.isEmpty else { throw TLSError(.library, "a listener without a certificate") }
        let owner = try ContextHandle(.server)
        if let refusal = AgreementSettings(tls).apply(to: owner) {
            throw TLSError(.library, "\(refusal.directive): \(refusal.reason)")
        }
        let policy = try Self.policy(tls, material)
        let lifetime = tls.sessionTimeout.components.seconds
        let server = ServerSide(
            tls, identities: identities, defaultIndex: material.identities.firstIndex(where: \.isDefault) ?? 0,
            protocol: `protocol`, tickets: TicketKeys(secret: ticketSecret, policy: policy, lifetime: lifetime),
            clock: clock)
        for index in server.defaults.reversed() { try identities[index].install(in: owner) }
        try owner.judgeClients(tls, material)
        try owner.resume(tls, policy)
        owner.askDuringHandshake(server)
        self.init(owner, role: .server, server: server, records: tls.records)
    }

    /// A digest of what is asked of clients: sessions are resumed only where the same is asked. A new revocation list is
    /// a new policy, so that nobody it names comes back with an old session.
    static func policy(_ tls: Configuration.ListenerTLS, _ material: TLSMaterial) throws(TLSError) -> [UInt8] {
        var text = Array("\(tls.clientCertificate.rawValue) \(tls.verifyDepth)".utf8)
        if tls.clientCertificate != .none {
            for element in material.authorities.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                text += [0] + (try KeyDerivation.digest(element))
            }
            for element in material.revocations.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                text += [1] + (try KeyDerivation.digest(element))
            }
        }
        return try KeyDerivation.digest(text)
    }

    /// Forgets a session of TLS 1.2 that is remembered for a client without tickets: one that ended with a fatal alert must not be
    /// resumed (RFC 5246, 7.2.2). Tickets cannot be taken back.
    package func forget(sessionID: [UInt8]) {
        // Sound: what is made here is used to find the session by, and freed; the library locks its cache.
        guard let pattern = unsafe SSL_SESSION_new() else { return }
        if unsafe SSL_SESSION_set_protocol_version(pattern, TLS1_2_VERSION) == 1,
            unsafe SSL_SESSION_set1_id(pattern, sessionID, UInt32(sessionID.count)) == 1
        {
            _ = unsafe SSL_CTX_remove_session(handle, pattern)
        }
        unsafe SSL_SESSION_free(pattern)
    }

    /// Sessions that were forgotten to make room for others, since the context was made.
    package var evictedSessions: Int { Int(unsafe cssl_ctx_session_cache_full(handle)) }
    /// Sessions that are remembered for clients without tickets.
    package var rememberedSessions: Int { Int(unsafe cssl_ctx_session_count(handle)) }
}

extension ContextHandle {
    fileprivate func judgeClients(
        _ tls: Configuration.ListenerTLS, _ material: TLSMaterial
    ) throws(TLSError) {
        // Sound: here and below, the handle is this object's and not yet shared.
        switch tls.clientCertificate {
        case .none:
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_NONE, nil)
            return
        case .optional: unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
        case .optionalUnverified: unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, ServerCallbacks.letIn)
        case .required:
            unsafe SSL_CTX_set_verify(handle, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        unsafe SSL_CTX_set_verify_depth(handle, Int32(tls.verifyDepth))
        // Anybody may show some, and remembered sessions keep them.
        unsafe cssl_ctx_set_max_cert_list(handle, ServerSide.longestCertificates)
        try trust(material)
        for encoded in material.authorities {
            // The names a client chooses its certificate by (RFC 8446, 4.2.4).
            if let authority = Certificate(encoded: encoded) {
                _ = unsafe SSL_CTX_add_client_CA(handle, authority.handle)
            }
        }
    }

    fileprivate func resume(_ tls: Configuration.ListenerTLS, _ policy: [UInt8]) throws(TLSError) {
        guard unsafe SSL_CTX_set_session_id_context(handle, policy, UInt32(policy.count)) == 1 else {
            throw .library("SSL_CTX_set_session_id_context")
        }
        _ = unsafe SSL_CTX_set_timeout(handle, Int(tls.sessionTimeout.components.seconds))
        // No early data: it can be replayed (RFC 8446, 8).
        _ = unsafe SSL_CTX_set_max_early_data(handle, 0)
        _ = unsafe SSL_CTX_set_recv_max_early_data(handle, 0)
        if tls.sessionCache > 0 {
            unsafe SSL_CTX_sess_set_new_cb(handle, ServerCallbacks.remember)
            unsafe cssl_ctx_set_session_cache_mode(handle, CSSL_SESS_CACHE_SERVER)
            unsafe cssl_ctx_set_session_cache_size(handle, tls.sessionCache)
        } else {
            unsafe cssl_ctx_set_session_cache_mode(handle, CSSL_SESS_CACHE_OFF)
        }
        if tls.tickets {
            _ = unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(handle, ServerCallbacks.ticketKey)
            _ = unsafe SSL_CTX_set_session_ticket_cb(
                handle, ServerCallbacks.stampTicket, ServerCallbacks.judgeTicket, nil)
        } else {
            _ = unsafe SSL_CTX_set_options(handle, CSSL_OP_NO_TICKET)
            if tls.sessionCache == 0 { _ = unsafe SSL_CTX_set_num_tickets(handle, 0) }
        }
    }

    fileprivate func askDuringHandshake(_ server: ServerSide) {
        unsafe SSL_CTX_set_cert_cb(handle, ServerCallbacks.chooseCertificate, nil)
        unsafe cssl_ctx_set_servername_callback(handle, ServerCallbacks.judgeName)
        if !server.protocols.isEmpty {
            unsafe SSL_CTX_set_alpn_select_cb(handle, ServerCallbacks.chooseProtocol, nil)
        }
    }
}
