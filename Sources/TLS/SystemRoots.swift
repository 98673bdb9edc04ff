// The roots this host trusts.

import Linux

/// The bundle of roots that the distribution maintains.
enum SystemRoots {
    /// Where distributions keep it; the first that is there counts.
    static let paths = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ]

    /// The roots; none where there is no bundle.
    static func read() -> [Certificate] {
        for path in paths {
            guard let bytes = try? File.read(path, limit: TLSFiles.maximumFileSize) else { continue }
            let certificates = PEMFile(parsing: bytes).certificates
            if !certificates.isEmpty { return certificates }
        }
        return []
    }
}
