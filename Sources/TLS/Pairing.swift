// Which key belongs to which certificate, and whether the certificates make a chain.

import Configuration

/// Certificates and keys of one tls block, from all its files, put together and judged.
struct Pairing {
    /// A file that was named for its certificate.
    struct CertificateFile {
        var path: String
        var contents: PEMFile
        var directive: String
        var occurrence: Int
        var isDefault: Bool
    }

    /// A file that was named for its key.
    struct KeyFile {
        var path: String
        var keys: [PrivateKey]
        var directive: String
        var occurrence: Int
        var isUsed = false
    }

    /// A certificate with its key and its chain.
    struct Found {
        var path: String
        var certificate: Certificate
        var issuers: [Certificate]
        var key: PrivateKey
        var isDefault: Bool
    }

    /// Whether keys are taken that OpenSSL's usual security level refuses.
    var mayBeWeak: Bool
    /// A file could not be used, and has its message: what seems to be missing may be in it.
    var isIncomplete = false
    private(set) var certificates: [CertificateFile] = []
    private var keys: [KeyFile] = []
    private(set) var findings: [TLSFinding] = []

    init(mayBeWeak: Bool) { self.mayBeWeak = mayBeWeak }

    mutating func add(
        _ path: String, _ contents: PEMFile, _ directive: String, _ occurrence: Int, isDefault: Bool
    ) {
        guard !contents.certificates.isEmpty else {
            isIncomplete = true
            return note(
                .error, directive, occurrence, "\(path) has no certificate: it holds \(contents.inventory)",
                help: "a certificate begins with -----BEGIN CERTIFICATE-----")
        }
        certificates.append(
            CertificateFile(
                path: path, contents: contents, directive: directive, occurrence: occurrence, isDefault: isDefault))
    }

    mutating func addKey(_ path: String, _ contents: PEMFile, _ directive: String, _ occurrence: Int) {
        guard !contents.keys.isEmpty else {
            isIncomplete = true
            if contents.encryptedKeys > 0 { return noteEncrypted(path, directive, occurrence) }
            return note(
                .error, directive, occurrence, "\(path) has no private key: it holds \(contents.inventory)",
                help: "a key begins with -----BEGIN PRIVATE KEY-----")
        }
        keys.append(KeyFile(path: path, keys: contents.keys, directive: directive, occurrence: occurrence))
    }

    /// Puts keys and certificates together.
    ///
    /// - Parameters:
    ///   - time: seconds since 1970.
    ///   - isAnchored: whether somebody known has issued the last certificate of a chain.
    mutating func judge(at time: Int64, isAnchored: (Certificate) -> Bool) -> [Found] {
        var found: [Found] = []
        var lonely: [CertificateFile] = []
        for file in certificates {
            guard let (leaf, key) = match(file) else {
                lonely.append(file)
                continue
            }
            let issuers = chain(from: leaf, in: file)
            judge([leaf] + issuers, file, at: time)
            if let last = ([leaf] + issuers).last, !last.isSelfIssued, !isAnchored(last) {
                note(
                    .warning, file.directive, file.occurrence,
                    "the chain in \(file.path) ends before a root: the issuer is missing, \(last.facts.issuer)",
                    help: "append the issuer's certificate, unless all clients have it")
            }
            found.append(
                Found(path: file.path, certificate: leaf, issuers: issuers, key: key, isDefault: file.isDefault))
        }
        explain(lonely)
        return found
    }

    /// The first certificate of the file that one of the keys belongs to; a key of the file itself first.
    private mutating func match(_ file: CertificateFile) -> (Certificate, PrivateKey)? {
        for certificate in file.contents.certificates {
            if let key = file.contents.keys.first(where: { $0.belongs(to: certificate) }) { return (certificate, key) }
            for index in keys.indices {
                guard let key = keys[index].keys.first(where: { $0.belongs(to: certificate) }) else { continue }
                keys[index].isUsed = true
                return (certificate, key)
            }
        }
        return nil
    }

    /// One message for each certificate without a key, or for each key without a certificate, not for both.
    private mutating func explain(_ lonely: [CertificateFile]) {
        var unused = isIncomplete ? [] : keys.filter { !$0.isUsed }
        for file in lonely {
            let own = file.contents
            let isInDirectory = file.directive == "certificates"
            if let index = unused.firstIndex(where: { ($0.directive == "certificates") == isInDirectory }) {
                let key = unused.remove(at: index)
                note(
                    .error, key.directive, key.occurrence,
                    "the key \(key.path) does not belong to the certificate \(file.path)",
                    help:
                        "compare: openssl pkey -pubout -in \(key.path) and openssl x509 -pubkey -noout -in \(file.path)"
                )
            } else if own.encryptedKeys > 0 {
                noteEncrypted(file.path, file.directive, file.occurrence)
            } else if !own.keys.isEmpty {
                note(
                    .error, file.directive, file.occurrence,
                    "the key in \(file.path) does not belong to the certificate in it",
                    help: "put the certificate's own key into the file")
            } else if !isIncomplete {
                note(
                    .error, file.directive, file.occurrence, "the certificate \(file.path) has no key",
                    help: "add: key FILE, or append the key to the file")
            }
        }
        for key in unused {
            note(
                .error, key.directive, key.occurrence, "the key \(key.path) belongs to none of the certificates",
                help: "name the file with its certificate, or leave the key out")
        }
    }

    /// The certificates above `leaf` in the file, each the issuer of the one before.
    private mutating func chain(from leaf: Certificate, in file: CertificateFile) -> [Certificate] {
        var rest = file.contents.certificates.filter { $0 !== leaf }
        var chain: [Certificate] = []
        var last = leaf
        while !last.isSelfIssued, let index = rest.firstIndex(where: { last.isIssued(by: $0) }) {
            last = rest.remove(at: index)
            chain.append(last)
        }
        let all = file.contents.certificates
        if !rest.isEmpty {
            let first = rest[0].facts.subject
            note(
                .warning, file.directive, file.occurrence,
                "\(file.path) holds \(rest.count == 1 ? "a certificate" : "\(rest.count) certificates") "
                    + "outside of its chain: \(first)\(rest.count > 1 ? ", …" : "")",
                help: "clients are not sent what is outside; remove it, or correct the chain")
        } else if !zip(all, [leaf] + chain).allSatisfy({ $0 === $1 }) {
            note(
                .warning, file.directive, file.occurrence, "the certificates in \(file.path) are in the wrong order",
                help: "clients are sent them in the right one: first the server's, then each one's issuer")
        }
        return chain
    }

    private mutating func judge(_ chain: [Certificate], _ file: CertificateFile, at time: Int64) {
        for (index, certificate) in chain.enumerated() {
            let facts = certificate.facts
            let who = index == 0 ? "the certificate \(file.path)" : "in \(file.path), the issuer \(facts.subject)"
            let left = facts.validity.upperBound - time
            if left < 0 {
                note(
                    .warning, file.directive, file.occurrence, "\(who) expired \(days(-left)) ago",
                    help: "clients that look at the date refuse it; replace it")
            } else if facts.validity.lowerBound > time {
                note(
                    .warning, file.directive, file.occurrence,
                    "\(who) is not valid yet: it begins in \(days(facts.validity.lowerBound - time))",
                    help: "look at this host's clock, too")
            } else if left < TLSFiles.warningDays * 86_400 {
                note(
                    .warning, file.directive, file.occurrence, "\(who) expires in \(days(left))",
                    help: "replace the file in time: it is loaded by itself, and nobody is disconnected")
            }
            if certificate.securityBits < 112, !mayBeWeak {
                note(
                    .error, file.directive, file.occurrence, "\(who) has a weak key (\(certificate.keyText))",
                    help: "use RSA with 2048 bits or more, or EC with 256")
            }
        }
    }

    private mutating func noteEncrypted(_ path: String, _ directive: String, _ occurrence: Int) {
        note(
            .error, directive, occurrence, "the key in \(path) is encrypted, and nobody is there to type a passphrase",
            help: "write it without one: openssl pkey -in \(path) -out NEW; chmod 600 NEW")
    }

    private mutating func note(
        _ severity: Diagnostic.Severity, _ directive: String, _ occurrence: Int, _ message: String, help: String
    ) {
        findings.append(TLSFinding(severity, directive, at: occurrence, message, help: help))
    }
}
