// What a finished handshake came to, as plain values that outlive OpenSSL's object.

/// The outcome of one handshake.
package struct TLSFacts: Hashable, Sendable {
    /// `TLSv1.2`, `TLSv1.3`.
    package var version: String
    /// The suite's name as OpenSSL writes it.
    package var cipher: String
    /// The name the client asked for (RFC 6066, 3), lower case.
    package var serverName: String?
    /// The application protocol agreed on (RFC 7301).
    package var applicationProtocol: String?
    /// Whether an earlier session was resumed.
    package var isResumed: Bool
    /// The peer's certificate, when it showed one.
    package var certificate: CertificateFacts?
    /// Whether that certificate was verified against our authorities.
    package var isVerified: Bool

    /// Facts as they were read.
    package init(
        version: String, cipher: String, serverName: String? = nil, applicationProtocol: String? = nil,
        isResumed: Bool = false, certificate: CertificateFacts? = nil, isVerified: Bool = false
    ) {
        self.version = version
        self.cipher = cipher
        self.serverName = serverName
        self.applicationProtocol = applicationProtocol
        self.isResumed = isResumed
        self.certificate = certificate
        self.isVerified = isVerified
    }
}
