// Reads what tls blocks name, says what is wrong with it, and keeps what is good for those who use it.

package import Configuration
package import Linux

/// The files of all tls blocks of a configuration, read once.
///
/// ``judge(_:)`` is what the checker asks; when the configuration is good, ``listeners`` and ``backends`` hold what the
/// blocks need, and nobody has to open a file again. Lives in the processes that may read keys: the supervisor and the
/// commands.
package final class TLSFiles {
    /// Octets of one file.
    package static let maximumFileSize = 4 << 20
    /// Days before its end from which on a certificate is worth a warning.
    package static let warningDays: Int64 = 30

    /// A certificate that clients or servers are shown, for the status.
    package struct Report: Hashable, Sendable {
        /// `listen mqtts`, `backend emqx`.
        package var block: String
        package var path: String
        package var facts: CertificateFacts

        /// Whole days until it expires; negative: since.
        package func daysLeft(at time: Int64) -> Int64 { wholeDays(facts.validity.upperBound - time) }
    }

    /// What each listener needs, by name.
    package private(set) var listeners: [String: TLSMaterial] = [:]
    /// What each backend needs, by name.
    package private(set) var backends: [String: TLSMaterial] = [:]
    /// The certificates in use.
    package private(set) var reports: [Report] = []
    /// Files and directories that were looked at, as they were then; `nil`: there was none.
    package private(set) var stamps: [String: File.Stamp?] = [:]
    /// The same files and directories as they are now.
    package var currentStamps: [String: File.Stamp?] {
        Dictionary(uniqueKeysWithValues: stamps.keys.map { ($0, File.stamp($0)) })
    }
    /// Certificates that are not valid now.
    package var hasInvalid: Bool { reports.contains { !$0.facts.validity.contains(time) } }

    /// Seconds since 1970 by which certificates are judged.
    let time: Int64
    private(set) var findings: [TLSFinding] = []
    private lazy var systemRoots = SystemRoots.read()

    package init(time: Int64 = Clock.wallMicroseconds / 1_000_000) { self.time = time }

    /// Judges the files and lists of a tls block, and keeps what they hold.
    package func judge(_ question: TLSQuestion) -> [TLSFinding] {
        findings = []
        switch question {
        case .listener(let name, let tls): listeners[name] = listener(name, tls)
        case .backend(let name, let tls): backends[name] = backend(name, tls)
        }
        return findings
    }

    // MARK: What is in use

    /// A tls block.
    package enum Block: Hashable, Sendable {
        case listener(String)
        case backend(String)
    }

    /// Has a block go on with what it was given earlier, whatever its files hold.
    package func use(_ material: TLSMaterial, in block: Block) {
        let title: String
        switch block {
        case .listener(let name):
            listeners[name] = material
            title = "listen \(name)"
        case .backend(let name):
            backends[name] = material
            title = "backend \(name)"
        }
        reports.removeAll { $0.block == title }
        for identity in material.identities {
            guard let certificate = identity.chain.first.flatMap({ Certificate(encoded: $0) }) else { continue }
            reports.append(Report(block: title, path: identity.name, facts: certificate.facts))
        }
    }

    // MARK: Blocks

    private func listener(_ name: String, _ tls: Configuration.ListenerTLS) -> TLSMaterial {
        var material = TLSMaterial()
        agree(AgreementSettings(tls))
        var anchors: [Certificate] = []
        if let path = tls.clientAuthorities {
            anchors = authorities(path, "client-ca")
            material.authorities = anchors.map(\.encoded)
        }
        if let path = tls.revocations { material.revocations = revocations(path, anchors) }

        var pairing = Pairing(mayBeWeak: tls.minimumVersion < .v1_2)
        for (index, file) in tls.certificates.enumerated() {
            guard let contents = read(file.path, "certificate", index) else {
                pairing.isIncomplete = true
                continue
            }
            pairing.add(file.path, contents, "certificate", index, isDefault: file.isDefault)
        }
        for (index, path) in tls.keys.enumerated() {
            guard let contents = read(path, "key", index) else {
                pairing.isIncomplete = true
                continue
            }
            pairing.addKey(path, contents, "key", index)
        }
        for (index, path) in tls.directories.enumerated() { addDirectory(path, index, to: &pairing) }
        material.identities = identities(of: &pairing, block: "listen \(name)", anchors: anchors)
        return material
    }

    private func backend(_ name: String, _ tls: Configuration.BackendTLS) -> TLSMaterial {
        var material = TLSMaterial()
        agree(AgreementSettings(tls))
        var anchors: [Certificate] = []
        if tls.verifies {
            switch tls.authorities {
            case .file(let path): anchors = authorities(path, "ca")
            case .system:
                anchors = systemRoots
                if anchors.isEmpty {
                    note(
                        .error, "ca", "this host trusts no roots: none of \(SystemRoots.paths.joined(separator: ", "))",
                        help: "install ca-certificates, or write: ca FILE")
                }
            }
            material.authorities = anchors.map(\.encoded)
        }
        var pairing = Pairing(mayBeWeak: tls.minimumVersion < .v1_2)
        if let path = tls.certificate {
            if let contents = read(path, "certificate", 0) {
                pairing.add(path, contents, "certificate", 0, isDefault: true)
            } else {
                pairing.isIncomplete = true
            }
        }
        if let path = tls.key {
            if let contents = read(path, "key", 0) {
                pairing.addKey(path, contents, "key", 0)
            } else {
                pairing.isIncomplete = true
            }
        }
        material.identities = identities(of: &pairing, block: "backend \(name)", anchors: anchors)
        return material
    }

    private func addDirectory(_ path: String, _ index: Int, to pairing: inout Pairing) {
        // Before it is listed: what comes later is a change.
        stamps[path] = .some(File.stamp(path))
        let names: [String]
        do throws(Errno) {
            names = try FileTree.list(path).filter { name in
                [".pem", ".crt", ".key"].contains { name.hasSuffix($0) } && !name.hasPrefix(".")
            }
        } catch {
            return note(.error, "certificates", at: index, "\(path) cannot be read: \(Errno.text(error.code))")
        }
        guard names.count <= TLSMaterial.maximumIdentities else {
            return note(
                .error, "certificates", at: index, "\(path) has \(names.count) files",
                help: "at most \(TLSMaterial.maximumIdentities)")
        }
        let before = pairing.certificates.count
        for name in names {
            let file = "\(path)/\(name)"
            guard let contents = read(file, "certificates", index) else {
                pairing.isIncomplete = true
                continue
            }
            if name.hasSuffix(".key") || (contents.certificates.isEmpty && !contents.keys.isEmpty) {
                pairing.addKey(file, contents, "certificates", index)
            } else {
                pairing.add(file, contents, "certificates", index, isDefault: false)
            }
        }
        if pairing.certificates.count == before {
            note(
                .error, "certificates", at: index, "\(path) has no certificate",
                help: "put files there that end in .pem or .crt")
        }
    }

    private func agree(_ settings: AgreementSettings) {
        do throws(TLSError) {
            guard let refusal = try settings.refusal() else { return }
            note(
                .error, refusal.directive, "OpenSSL does not take this list: \(refusal.reason)",
                help: "see openssl ciphers -v")
        } catch {
            note(.error, "certificate", "\(error)")
        }
    }

    private func identities(
        of pairing: inout Pairing, block: String, anchors: [Certificate]
    ) -> [TLSMaterial.Identity] {
        let found = pairing.judge(at: time) { [self] last in
            (anchors + systemRoots).contains { last.isIssued(by: $0) }
        }
        findings += pairing.findings
        reports += found.map { Report(block: block, path: $0.path, facts: $0.certificate.facts) }
        return found.map { identity in
            TLSMaterial.Identity(
                name: identity.path, chain: ([identity.certificate] + identity.issuers).map(\.encoded),
                key: identity.key.encoded, isDefault: identity.isDefault)
        }
    }

    // MARK: Files

    /// The parts of a file; `nil` after a finding.
    private func read(_ path: String, _ directive: String, _ occurrence: Int) -> PEMFile? {
        stamps[path] = .some(nil)
        do throws(Errno) {
            let file = try File.open(reading: path)
            stamps[path] = try File.stamp(of: file.number)
            let status = try File.status(file.number)
            guard status.isRegular else {
                note(.error, directive, at: occurrence, "\(path) is not a regular file")
                return nil
            }
            let contents = PEMFile(parsing: try Descriptor.readAll(file.number, limit: Self.maximumFileSize))
            if status.mode & 0o007 != 0, !contents.keys.isEmpty {
                note(
                    .error, directive, at: occurrence,
                    "the key in \(path) is open to all users (mode 0\(String(status.mode, radix: 8)))",
                    help: "run: chmod 600 \(path), and replace the key: it may be known")
                return nil
            }
            return contents
        } catch {
            let reason =
                error.code == Errno.noEntry
                ? "there is no \(path)" : "\(path) cannot be read: \(Errno.text(error.code))"
            note(.error, directive, at: occurrence, reason)
            return nil
        }
    }

    private func authorities(_ path: String, _ directive: String) -> [Certificate] {
        guard let contents = read(path, directive, 0) else { return [] }
        guard !contents.certificates.isEmpty else {
            note(.error, directive, "\(path) has no certificate: it holds \(contents.inventory)")
            return []
        }
        for authority in contents.certificates {
            let facts = authority.facts
            guard facts.validity.upperBound < time else { continue }
            note(
                .warning, directive,
                "the authority \(facts.subject) expired \(days(time - facts.validity.upperBound)) ago",
                help: "certificates it has issued are refused")
        }
        return contents.certificates
    }

    private func revocations(_ path: String, _ anchors: [Certificate]) -> [[UInt8]] {
        guard let contents = read(path, "crl", 0) else { return [] }
        guard !contents.lists.isEmpty else {
            note(.error, "crl", "\(path) has no revocation list: it holds \(contents.inventory)")
            return []
        }
        for authority in anchors where !contents.lists.contains(where: { $0.list.isIssued(by: authority) }) {
            note(
                .warning, "crl", "\(path) has no list of the authority \(authority.facts.subject)",
                help: "every certificate it has issued is refused; add its list")
        }
        for (list, _) in contents.lists {
            guard let next = list.nextUpdate, next < time else { continue }
            note(
                .warning, "crl", "a list in \(path) was to be replaced \(days(time - next)) ago",
                help: "every certificate of its authority is refused until there is a new one")
        }
        return contents.lists.map(\.encoded)
    }

    private func note(
        _ severity: Diagnostic.Severity, _ directive: String, at occurrence: Int = 0, _ message: String,
        help: String? = nil
    ) {
        findings.append(TLSFinding(severity, directive, at: occurrence, message, help: help))
    }
}

/// Days of a span of seconds, rounded down.
func wholeDays(_ seconds: Int64) -> Int64 { seconds >= 0 ? seconds / 86_400 : -((-seconds + 86_399) / 86_400) }

/// `1 day`, `30 days`; hours below two days.
func days(_ seconds: Int64) -> String {
    guard seconds >= 2 * 86_400 else { return "\(max(1, seconds / 3600)) hour\(seconds / 3600 > 1 ? "s" : "")" }
    return "\(seconds / 86_400) days"
}
