// OpenSSL's questions to a listener during a handshake, answered from the session's context.

import COpenSSL

/// The C functions that OpenSSL calls during a handshake with certificates.
///
/// Sound, all of them: a session is found by the pointer it left with its own handle, calls come only from within calls
/// on a living session, and what is lent is used only until the function returns.
enum ServerCallbacks {
    private static func side(_ ssl: OpaquePointer?) -> ServerSide? {
        unsafe TLSSession.owner(of: ssl)?.context.server
    }

    // MARK: Name and certificate

    /// The name the client asks for, lower case.
    static func serverName(_ ssl: OpaquePointer?) -> String? {
        // Sound: the library's text ends in 0 and lives as long as the session; copied.
        guard let name = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else { return nil }
        let text = unsafe String(cString: name).lowercased()
        return text.isEmpty ? nil : text
    }

    /// Whether the name is one of ours.
    static let judgeName:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) ->
            Int32 = { ssl, alert, _ in
                guard let side = unsafe side(ssl), let name = unsafe serverName(ssl) else {
                    return SSL_TLSEXT_ERR_NOACK
                }
                guard side.choice(for: name) != nil else {
                    unsafe alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
                    return SSL_TLSEXT_ERR_ALERT_FATAL
                }
                return SSL_TLSEXT_ERR_OK
            }

    /// Puts the certificates of the name in the place of the default ones.
    static let chooseCertificate: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _ in
        guard let ssl = unsafe ssl, let side = unsafe side(ssl), let choice = side.choice(for: unsafe serverName(ssl))
        else { return 0 }
        guard choice != side.defaults else { return 1 }
        unsafe SSL_certs_clear(ssl)
        for index in choice where !(unsafe side.identities[index].use(in: ssl)) { return 0 }
        return 1
    }

    /// Lets every certificate in; the result of its verification stays with the session.
    static let letIn: @convention(c) (Int32, OpaquePointer?) -> Int32 = { _, _ in 1 }

    // MARK: Protocol

    /// The first of ours that the client offers (RFC 7301, 3.2).
    static let chooseProtocol: SSL_CTX_alpn_select_cb_func = { ssl, chosen, chosenCount, offered, offeredCount, _ in
        guard let side = unsafe side(ssl), let offered = unsafe offered else { return SSL_TLSEXT_ERR_NOACK }
        // Sound: the library lends the list with its length; what is chosen points into it, as the library wants.
        let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredCount))
        for wanted in side.protocols {
            var place = 0
            while place < list.count {
                let count = Int(unsafe list[place])
                guard place + 1 + count <= list.count else { break }
                if unsafe list[(place + 1)..<(place + 1 + count)].elementsEqual(wanted) {
                    unsafe chosen?.pointee = unsafe offered + (place + 1)
                    unsafe chosenCount?.pointee = UInt8(count)
                    return SSL_TLSEXT_ERR_OK
                }
                place += 1 + count
            }
        }
        return side.insistsOnProtocol ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK
    }
}

// MARK: Tickets

extension ServerCallbacks {
    /// Octets of a block of AES, and of the initialization vector.
    private static let vectorCount = 16
    /// Octets of the moment a ticket carries.
    private static let stampCount = 8

    /// The keys a ticket is sealed or opened with.
    static let ticketKey:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?,
            Int32
        ) -> Int32 = { ssl, name, vector, cipher, mac, isSealing in
            guard let side = unsafe side(ssl), let name = unsafe name, let vector = unsafe vector else { return -1 }
            let time = side.clock()
            do throws(TLSError) {
                if isSealing == 1 {
                    let keys = try side.tickets.sealing(at: time)
                    // Sound: the library lends room for a name of 16 and a vector of at least 16 octets.
                    unsafe name.update(from: keys.name, count: TicketKeys.Keys.nameCount)
                    guard unsafe RAND_bytes(vector, Int32(vectorCount)) == 1,
                        unsafe EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, keys.encryption, vector) == 1,
                        unsafe setKey(keys.authentication, of: mac)
                    else { return -1 }
                    return 1
                }
                // Sound: as above.
                let wanted = unsafe Array(UnsafeBufferPointer(start: name, count: TicketKeys.Keys.nameCount))
                guard let (keys, isCurrent) = try side.tickets.opening(wanted, at: time) else { return 0 }
                guard unsafe EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, keys.encryption, vector) == 1,
                    unsafe setKey(keys.authentication, of: mac)
                else { return -1 }
                // 2: a fresh ticket follows. Those of TLS 1.3 are used once only (RFC 8446, C.4).
                let isReusable = unsafe SSL_version(ssl) < TLS1_3_VERSION
                return isCurrent && isReusable ? 1 : 2
            } catch {
                return -1
            }
        }

    private static func setKey(_ key: [UInt8], of mac: OpaquePointer?) -> Bool {
        var key = key
        var digest = Array("SHA256".utf8CString)
        // Sound: both arrays are lent for the duration of the call, which copies what it needs.
        return unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe key.withUnsafeMutableBufferPointer { key in
                let parameters = unsafe [
                    cssl_mac_key(key.baseAddress, key.count), cssl_mac_digest(digest.baseAddress),
                    OSSL_PARAM_construct_end(),
                ]
                return unsafe EVP_MAC_CTX_set_params(mac, parameters) == 1
            }
        }
    }

    /// A session is remembered by its ID for as long as the certificate that its client showed is valid, at most.
    static let remember: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
        guard let session = unsafe session, let peer = unsafe SSL_SESSION_get0_peer(session) else { return 0 }
        var (days, seconds) = (Int32(0), Int32(0))
        // Sound: the certificate is borrowed from the session; the numbers live on the stack.
        let isKnown = unsafe ASN1_TIME_diff(&days, &seconds, nil, X509_get0_notAfter(peer)) == 1
        let rest = isKnown ? Int(days) * 86_400 + Int(seconds) : 0
        if rest <= 0 {
            _ = unsafe SSL_CTX_remove_session(SSL_get_SSL_CTX(ssl), session)
        } else if unsafe SSL_SESSION_get_timeout(session) > rest {
            _ = unsafe SSL_SESSION_set_timeout(session, rest)
        }
        // The library keeps it; no reference is taken.
        return 0
    }

    /// Writes the moment of the full handshake into a ticket; resumed sessions keep theirs, so that the session timeout
    /// counts from the last time the client proved who it is. One that was resumed by its ID has none yet: the library knows its
    /// beginning.
    static let stampTicket: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _ in
        guard let side = unsafe side(ssl), let session = unsafe SSL_get_session(ssl) else { return 0 }
        let isReused = unsafe SSL_session_reused(ssl) == 1
        if isReused, unsafe stamp(of: session) != nil { return 1 }
        let time = isReused ? Int64(unsafe SSL_SESSION_get_time(session)) : side.clock()
        let octets = (0..<stampCount).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * Int64($0))) }
        return unsafe SSL_SESSION_set1_ticket_appdata(session, octets, stampCount)
    }

    /// Whether a ticket that could be opened is still good.
    static let judgeTicket:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafePointer<UInt8>?, Int, SSL_TICKET_STATUS, UnsafeMutableRawPointer?
        ) -> SSL_TICKET_RETURN = { ssl, session, _, _, status, _ in
            let isOpen = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW
            guard isOpen, let side = unsafe side(ssl), let session = unsafe session,
                let begun = unsafe stamp(of: session)
            else { return SSL_TICKET_RETURN_IGNORE_RENEW }
            let time = side.clock()
            // The clocks of two hosts differ a little: a ticket may seem to come from the near future.
            guard (-side.tickets.skew...side.sessionTimeout).contains(time - begun),
                unsafe isPeerValid(session, at: time)
            else { return SSL_TICKET_RETURN_IGNORE_RENEW }
            return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
        }

    private static func stamp(of session: OpaquePointer) -> Int64? {
        var data: UnsafeMutableRawPointer?
        var count = 0
        // Sound: the session keeps the octets; they are copied at once.
        guard unsafe SSL_SESSION_get0_ticket_appdata(session, &data, &count) == 1, count == stampCount,
            let start = unsafe data
        else { return nil }
        return unsafe UnsafeRawBufferPointer(start: start, count: count).reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }

    /// Whether the certificate the client showed in its full handshake has not expired since.
    private static func isPeerValid(_ session: OpaquePointer, at time: Int64) -> Bool {
        guard let peer = unsafe SSL_SESSION_get0_peer(session) else { return true }
        // Sound: the certificate is borrowed from the session; the time is copied onto the stack.
        var seconds = Int(time)
        return unsafe X509_cmp_time(X509_get0_notAfter(peer), &seconds) > 0
    }
}
