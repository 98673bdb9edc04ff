// Reads the configuration once, for all processes.

import Configuration
import Control
import Linux
import TLS
import Wire

/// A configuration that was read from its files and found good, with everything its children need of the disk.
struct LoadedConfiguration {
    var configuration: Configuration
    /// The very bytes, for the children.
    var bundle: ConfigurationBundle
    /// The bytes of the pair secret's file; `nil` on a host that is alone.
    var pairSecret: [UInt8]?
    /// The bytes of the files that client identities are hashed with, by their names.
    var identityKeys: [String: [UInt8]] = [:]
    /// What both hosts of a pair seal session tickets with; `nil` on a host that is alone.
    var ticketSecret: [UInt8]?
    /// The files of tls blocks, read.
    var tls: TLSFiles
    /// Contents of the secrets that `vip` needs, by the names it knows them by.
    var vrrpSecrets: [DescriptorName: [UInt8]] = [:]
    /// What the checker said besides.
    var warnings: String
    /// What is in use and stands on the disk no more, or otherwise: names, sorted, for people.
    var outdated: [String] = []
    /// The files of tls blocks as they were when they were judged; none when they do not hold what is in use, so that they are judged
    /// as if they had just been replaced.
    var judgedStamps: CertificateWatch.Stamps { outdated.isEmpty ? tls.stamps : [:] }
    /// Why a start would not find it there; sentences.
    var problems: [String] = []

    /// Why there is none.
    struct Refusal: Error, CustomStringConvertible {
        /// The checker's messages, or a sentence.
        var description: String
    }

    /// Reads and checks the main file and everything it includes.
    ///
    /// - Parameter node: what `--node` says; `nil`: this host is recognised by its addresses.
    init(path: String, node: String?) throws(Refusal) {
        try self.init { judge throws(Errno) in
            let bytes = try File.read(path, limit: SourceLimits.fileBytes)
            let host = Checker.Host(node: node, addresses: try LocalAddresses.all())
            return Checker.check(
                Source(name: path, bytes: bytes), as: host,
                include: { path throws(IncludeFailure) in
                    do throws(Errno) {
                        return try File.read(path, limit: SourceLimits.fileBytes)
                    } catch {
                        throw IncludeFailure(Errno.text(error.code))
                    }
                }, judge: judge)
        }
    }

    /// The configuration that another program has put in force, whatever its files say by now.
    ///
    /// - Parameter given: what the children were given for it. The disk is needed for nothing that is there: sessions do not
    ///   end because a file is broken that nobody has to read again.
    init(_ bundle: ConfigurationBundle, given: GivenSecrets) throws(Refusal) {
        try self.init(given) { judge throws(Errno) in bundle.check(addresses: try LocalAddresses.all(), judge: judge) }
    }

    private init(
        _ inForce: GivenSecrets? = nil, _ check: (@escaping TLSJudge) throws(Errno) -> Checker.Outcome
    ) throws(Refusal) {
        let given = inForce ?? GivenSecrets([:])
        let outcome: Checker.Outcome
        let files = TLSFiles()
        tls = files
        let judge: TLSJudge = { given.judge($0, files) }
        do throws(Errno) { outcome = try check(judge) } catch {
            throw Refusal(description: "cannot read the configuration: \(error)")
        }
        guard let configuration = outcome.configuration else { throw Refusal(description: outcome.text) }
        self.configuration = configuration
        warnings = outcome.text
        // Recognised here once: the children have other rights, and may see other addresses by then.
        bundle = ConfigurationBundle(
            node: configuration.node,
            files: outcome.sources.map { ConfigurationBundle.File(path: $0.name, bytes: $0.bytes) })
        let refusals = ScriptCheck.refusals(configuration) + HookCheck.refusals(configuration)
        if inForce == nil {
            guard refusals.isEmpty else { throw Refusal(description: refusals.joined(separator: "\n")) }
        }
        do {
            if let pair = configuration.pair { try readPairSecret(pair.secretPath, given) }
            try readRouterSecrets(given)
            for path in configuration.identityKeyFiles {
                identityKeys[path] = try given.secret(.identityKey(path)) { () throws(SecretFile.Refusal) in
                    try SecretFile.read(path, as: "identity key").fileContents
                }
            }
        } catch {
            throw Refusal(description: "\(error)")
        }
        outdated = given.outdated.sorted()
        problems = given.problems + refusals
    }

    private mutating func readPairSecret(_ path: String, _ given: GivenSecrets) throws {
        let contents = try given.secret(.pairSecret) { () throws(SecretFile.Refusal) in
            try SecretFile.read(path).fileContents
        }
        pairSecret = contents
        ticketSecret = try PairSecret(parsing: contents).ticketSecret()
    }

    private mutating func readRouterSecrets(_ given: GivenSecrets) throws(SecretFile.Refusal) {
        let authentications = configuration.routers.map(\.authentication)
        if authentications.contains(where: \.usesPairSecret) {
            vrrpSecrets[.vrrpSecret] = pairSecret
            if let path = configuration.pair?.acceptedSecretPath {
                vrrpSecrets[.vrrpAcceptedSecret] = try given.secret(.vrrpAcceptedSecret) { () throws(SecretFile.Refusal) in
                    try SecretFile.read(path).fileContents
                }
            }
        }
        for router in configuration.routers where router.authentication.kind == .hmac {
            for key in router.authentication.keys {
                let name = DescriptorName.vrrpKey(router.name, key.id)
                vrrpSecrets[name] = try given.secret(name) { () throws(SecretFile.Refusal) in
                    try SecretFile.readKey(key.path)
                }
            }
        }
    }

    /// The same configuration, whatever its files say by now, with the files of its tls blocks read again.
    ///
    /// - Throws: ``Refusal`` when they are not good, or when one of the certificates is not valid now.
    func rereadingCertificates() throws(Refusal) -> LoadedConfiguration {
        let files = TLSFiles()
        let outcome = bundle.check(judge: files.judge)
        guard outcome.configuration != nil else { throw Refusal(description: outcome.text) }
        guard !files.hasInvalid else {
            throw Refusal(description: "a new certificate is not valid at this time\n" + outcome.text)
        }
        var new = self
        new.tls = files
        new.outdated = []
        new.warnings = outcome.text
        return new
    }

    /// What files hold something else than before, as a reload says it.
    func changedFiles(since old: LoadedConfiguration) -> [String] {
        func changed(_ new: [String: TLSMaterial], _ old: [String: TLSMaterial]) -> [String] {
            new.keys.filter { name in old[name].map { $0 != new[name] } ?? false }.sorted()
        }
        let listeners = changed(tls.listeners, old.tls.listeners)
        let backends = changed(tls.backends, old.tls.backends)
        let titles = listeners.map { "listen \($0)" } + backends.map { "backend \($0)" }
        var lines = titles.map { "\($0) tls: the contents of its files changed (applies to new sessions)" }
        for (name, contents) in vrrpSecrets.sorted(by: { $0.key.text < $1.key.text }) {
            if let known = old.vrrpSecrets[name], known != contents {
                lines.append("\(name.text): the contents of its file changed")
            }
        }
        for (path, contents) in identityKeys.sorted(by: { $0.key < $1.key }) {
            if let known = old.identityKeys[path], known != contents {
                lines.append("identity key \(path): the contents of the file changed (applies to new sessions)")
            }
        }
        return lines
    }
}
