// What a peer's certificate says of it: the values that identities, routes, PROXY headers and logs are made of.

/// The facts of one certificate, taken out of OpenSSL once, as plain values.
package struct CertificateFacts: Hashable, Sendable {
    /// The subject's distinguished name, most specific part first (RFC 2253): `CN=meter-7,O=Example`.
    package var subject: String
    /// The issuer's distinguished name, in the same form.
    package var issuer: String
    /// The last common name of the subject; empty when there is none.
    package var commonName: String
    /// The serial number in upper-case hexadecimal digits without separators, as NGINX and OpenSSL write it.
    package var serial: String
    /// DNS names, addresses, mail addresses and URIs of the subject alternative name, in their order.
    package var alternativeNames: [String]
    /// SHA-256 of the whole certificate (DER), lower-case hexadecimal digits.
    package var fingerprint: String
    /// Seconds since 1970 from which and until which it is valid.
    package var validity: ClosedRange<Int64>

    /// Facts as they were read.
    package init(
        subject: String, issuer: String, commonName: String, serial: String, alternativeNames: [String],
        fingerprint: String, validity: ClosedRange<Int64>
    ) {
        self.subject = subject
        self.issuer = issuer
        self.commonName = commonName
        self.serial = serial
        self.alternativeNames = alternativeNames
        self.fingerprint = fingerprint
        self.validity = validity
    }
}
