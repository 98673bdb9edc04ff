// What `tls { … }` means: towards clients in a listener, towards servers in a backend.

extension Configuration {
    /// A version of TLS; the older ones only for those who ask for them.
    package enum TLSVersion: String, Hashable, Comparable, Sendable, CaseIterable {
        case v1_0 = "1.0"
        case v1_1 = "1.1"
        case v1_2 = "1.2"
        case v1_3 = "1.3"

        package static func < (a: TLSVersion, b: TLSVersion) -> Bool { a.rawValue < b.rawValue }
    }

    /// Whether clients show a certificate of their own.
    package enum ClientCertificate: String, Hashable, Sendable, CaseIterable {
        /// They are not asked for one.
        case none
        /// They are asked; what they show must be good, and they may show nothing.
        case optional
        /// They are asked, and whatever they show is let in: the facts say that nobody verified it.
        case optionalUnverified = "optional-unverified"
        /// No session without a good one.
        case required
    }

    /// What is agreed on by ALPN (RFC 7301).
    package enum ApplicationProtocols: Hashable, Sendable {
        /// The name of what the listener speaks, for clients that offer it; others are let in without one.
        case automatic
        /// ALPN is not answered.
        case off
        /// One of these, the first that the client offers too; a client that offers only others is refused
        /// (RFC 7301, 3.2).
        case names([String])
    }

    /// A client that asks for a name no certificate has.
    package enum UnknownServerName: String, Hashable, Sendable, CaseIterable {
        /// Gets the default certificate.
        case useDefault = "default"
        /// Is refused with the alert unrecognized_name (RFC 6066, 3).
        case refuse
    }

    /// Who reads and writes the records of a session once its handshake is done.
    package enum RecordLayerChoice: String, Hashable, Sendable, CaseIterable {
        /// This program: the session's state is plain data, weighs little and outlives the process. Suites without an
        /// AEAD stay with OpenSSL.
        case native
        /// OpenSSL, as during the handshake.
        case openssl
    }

    /// `listen NAME { tls { … } }`: TLS ends at the listener.
    package struct ListenerTLS: Hashable, Sendable {
        /// `certificate FILE [default]`.
        package struct CertificateFile: Hashable, Sendable {
            package var path: String
            /// Whether clients get it who ask for no name, or for an unknown one.
            package var isDefault: Bool

            package init(path: String, isDefault: Bool = false) {
                self.path = path
                self.isDefault = isDefault
            }
        }

        /// Files with certificates, in the order of the configuration; the key may be in the same file.
        package var certificates: [CertificateFile] = []
        /// Directories of such files.
        package var directories: [String] = []
        /// Files with keys; which certificate a key belongs to is seen from its public half.
        package var keys: [String] = []
        /// File with the authorities that issue the clients' certificates.
        package var clientAuthorities: String?
        package var clientCertificate: ClientCertificate = .none
        /// Most intermediate certificates between a client's and its authority, 0...20.
        package var verifyDepth: Int = 3
        /// File with the authorities' revocation lists.
        package var revocations: String?
        package var minimumVersion: TLSVersion = .v1_2
        package var maximumVersion: TLSVersion = .v1_3
        /// Cipher list of TLS 1.2 and below, as OpenSSL writes it.
        package var ciphers: String = TLSDefaults.ciphers
        /// Suites of TLS 1.3, separated by colons.
        package var suites: String = TLSDefaults.suites
        /// Groups of the key exchange, separated by colons, the preferred first.
        package var groups: String = TLSDefaults.groups
        package var applicationProtocols: ApplicationProtocols = .automatic
        package var unknownServerName: UnknownServerName = .useDefault
        /// How long after its full handshake a session may be resumed, 1 s ... 7 days.
        package var sessionTimeout: Duration = .seconds(86_400)
        /// Whether clients keep the session themselves, in a ticket.
        package var tickets = true
        /// Most sessions that are remembered here for clients without tickets; 0: none.
        package var sessionCache: Int = 4096
        /// The handshake must be done this long after the accept.
        package var handshakeTimeout: Duration = .seconds(15)
        package var records: RecordLayerChoice = .native

        package init() {}
    }

    /// Who vouches for the servers' certificates.
    package enum ServerAuthorities: Hashable, Sendable {
        /// The roots that this host trusts.
        case system
        case file(String)
    }

    /// `backend NAME { tls { … } }`: sessions with the servers are encrypted anew.
    package struct BackendTLS: Hashable, Sendable {
        /// Whether a server must show a good certificate.
        package var verifies = true
        package var authorities: ServerAuthorities = .system
        /// The name that is asked for (SNI) and that the certificate must have; `nil`: nothing is asked for, and the
        /// certificate must have the server's address.
        package var serverName: String?
        /// Our own certificate for servers that want one; the key may be in the same file.
        package var certificate: String?
        package var key: String?
        package var minimumVersion: TLSVersion = .v1_2
        package var maximumVersion: TLSVersion = .v1_3
        package var ciphers: String = TLSDefaults.ciphers
        package var suites: String = TLSDefaults.suites
        package var groups: String = TLSDefaults.groups
        package var records: RecordLayerChoice = .native

        package init() {}
    }

    /// The listeners with TLS, in the order of the file.
    package var encryptedListeners: [ListenerSettings] { listeners.filter { $0.tls != nil } }
    /// The backends with TLS, in the order of the file.
    package var encryptedBackends: [BackendSettings] { backends.filter { $0.tls != nil } }
}

/// What is agreed on when nothing is said: forward secrecy and authenticated encryption only.
package enum TLSDefaults {
    package static let ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    package static let suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    package static let groups = "X25519:P-256:P-384"
}
