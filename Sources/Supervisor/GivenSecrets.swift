// What a new supervisor takes for what is in force: what the children were given, not what the disk holds by now.

import Configuration
import Control
import TLS
import Wire

/// The secrets that the children live by, and what the disk says to them meanwhile.
///
/// The disk is looked at all the same: what differs was written since, or is broken. A certificate is then found as any
/// other that was replaced (``CertificateWatch``) and proposed to the children; another pair secret is refused by the next
/// reload.
final class GivenSecrets {
    private let contents: [DescriptorName: [UInt8]]
    /// Names of what the disk holds other contents of, or none that are good.
    private(set) var outdated: Set<String> = []
    /// Why something on the disk is not good; sentences.
    private(set) var problems: [String] = []

    /// - Parameter contents: by the names the children know them by; empty: everything is read from the disk, and must be
    ///   good.
    init(_ contents: [DescriptorName: [UInt8]]) { self.contents = contents }

    /// A secret in use; one that is in nobody's hands yet is read.
    ///
    /// - Throws: what `read` does, when nobody was given this secret.
    func secret(
        _ name: DescriptorName, _ read: () throws(SecretFile.Refusal) -> [UInt8]
    ) throws(SecretFile.Refusal) -> [UInt8] {
        guard let known = contents[name] else { return try read() }
        do throws(SecretFile.Refusal) {
            if try read() != known { outdated.insert(name.text) }
        } catch {
            outdated.insert(name.text)
            problems.append(error.description)
        }
        return known
    }

    /// Judges the files of a tls block, and has it go on with what is in use: then nothing on the disk is an error.
    func judge(_ question: TLSQuestion, _ files: TLSFiles) -> [TLSFinding] {
        let findings = files.judge(question)
        let name: DescriptorName
        let block: TLSFiles.Block
        let read: TLSMaterial?
        switch question {
        case .listener(let listener, _):
            (name, block, read) = (.tls(listener: listener), .listener(listener), files.listeners[listener])
        case .backend(let backend, _):
            (name, block, read) = (.tls(backend: backend), .backend(backend), files.backends[backend])
        }
        guard let known = contents[name], let material = try? TLSMaterial(parsing: known.span) else { return findings }
        let errors = findings.filter { $0.severity == .error }
        if read?.encoded != known || !errors.isEmpty {
            outdated.insert(name.text)
            files.use(material, in: block)
        }
        problems += errors.map(\.message)
        return findings.map { finding in
            var finding = finding
            if finding.severity == .error { finding.severity = .warning }
            return finding
        }
    }
}
