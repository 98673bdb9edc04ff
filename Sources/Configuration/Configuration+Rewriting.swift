// The configuration's values for rewriting CONNECT: where an identity comes from.

extension Configuration {
    /// Where a client ID, username or password comes from that a server sees instead of the device's own.
    package enum IdentitySource: String, Hashable, Sendable, CaseIterable {
        /// The device's own client ID: of use when it is hashed, or as a username.
        case clientID = "client-id"
        /// The device's own username.
        case username
        /// The serial number of the client's certificate, in hexadecimal digits.
        case certificateSerial = "certificate-serial"
        /// The distinguished name of its subject (RFC 2253).
        case certificateName = "certificate-dn"
        /// The common name of its subject.
        case certificateCommonName = "certificate-cn"
        /// The first of its alternative names.
        case certificateAlternativeName = "certificate-san"
        /// SHA-256 of the whole certificate, in hexadecimal digits.
        case certificateFingerprint = "certificate-fingerprint"
        /// The host name the client asked for.
        case serverName = "sni"
        /// The client's address without its port.
        case sourceAddress = "source-address"

        /// Whether there is none without a client certificate.
        package var needsCertificate: Bool {
            switch self {
            case .certificateSerial, .certificateName, .certificateCommonName, .certificateAlternativeName,
                .certificateFingerprint:
                true
            case .clientID, .username, .serverName, .sourceAddress: false
            }
        }
    }

    /// What one field of a CONNECT is replaced by.
    package enum Replacement: Hashable, Sendable {
        /// The field is taken out.
        case remove
        /// A value; with a key file, its keyed hash (HMAC-SHA256, 32 hexadecimal digits) in place of itself.
        case from(IdentitySource, keyFile: String?)
    }

    /// `rewrite client-id …`, `rewrite username …`, `rewrite password …`: what of a CONNECT is replaced; `nil`: kept.
    package struct Rewriting: Hashable, Sendable {
        package var clientID: Replacement?
        package var username: Replacement?
        package var password: Replacement?

        package init() {}

        /// The replacements there are.
        package var all: [Replacement] { [clientID, username, password].compactMap { $0 } }
        /// Whether everything is kept.
        package var isEmpty: Bool { all.isEmpty }
        /// The key files that are needed, each once.
        package var keyFiles: Set<String> {
            Set(
                all.compactMap { replacement in
                    if case .from(_, let file?) = replacement { file } else { nil }
                })
        }
    }

    /// The key files of all listeners, each once, in the order of their names.
    package var identityKeyFiles: [String] {
        listeners.reduce(into: Set<String>()) { $0.formUnion($1.rewriting.keyFiles) }.sorted()
    }
}
