// What TLS comes to on this host, in words.

import Wire

extension Explanation {
    func encryption(_ tls: Configuration.ListenerTLS) -> [String] {
        var lines = ["  TLS \(Self.versions(tls.minimumVersion, tls.maximumVersion)); \(Self.certificates(tls))."]
        switch tls.clientCertificate {
        case .none: lines.append("  Clients are not asked for a certificate.")
        case .required:
            lines.append("  Clients must show a certificate that \(tls.clientAuthorities ?? "nobody") vouches for.")
        case .optional:
            lines.append(
                "  Clients may show a certificate; one that \(tls.clientAuthorities ?? "nobody") does not vouch for "
                    + "keeps them out.")
        case .optionalUnverified: lines.append("  Clients may show any certificate; nobody verifies it.")
        }
        if tls.tickets || tls.sessionCache > 0 {
            let place = tls.tickets ? (configuration.pair == nil ? "" : ", on either host") : ", on this host only"
            lines.append("  A session may be resumed for \(tls.sessionTimeout.text)\(place).")
        } else {
            lines.append("  No session is ever resumed.")
        }
        lines.append("  The handshake must be done within \(tls.handshakeTimeout.text).")
        if tls.records == .openssl {
            lines.append("  OpenSSL encrypts: sessions take more memory and end with the balancer's process.")
        }
        return lines
    }

    func encryption(_ tls: Configuration.BackendTLS) -> [String] {
        let name = tls.serverName ?? "its address"
        let authority =
            switch tls.authorities {
            case .system: "this host's roots"
            case .file(let path): path
            }
        return [
            "  Sessions with them are encrypted: TLS \(Self.versions(tls.minimumVersion, tls.maximumVersion)); "
                + (tls.verifies
                    ? "a server must show a certificate for \(name) that \(authority) vouches for."
                    : "whoever answers is believed.")
        ]
    }

    private static func versions(_ least: Configuration.TLSVersion, _ most: Configuration.TLSVersion) -> String {
        least == most ? least.rawValue : "\(least.rawValue) to \(most.rawValue)"
    }

    private static func certificates(_ tls: Configuration.ListenerTLS) -> String {
        let paths = tls.certificates.map(\.path) + tls.directories.map { "all of \($0)" }
        return (paths.count == 1 ? "certificate: " : "certificates, chosen by name: ") + paths.joined(separator: ", ")
    }
}
