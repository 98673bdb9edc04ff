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

    /// The configuration that another program has put in force, whatever its files say by now; secrets and the files of tls
    /// blocks are read from the disk.
    init(_ bundle: ConfigurationBundle) throws(Refusal) {
        try self.init { judge throws(Errno) in bundle.check(addresses: try LocalAddresses.all(), judge: judge) }
    }

    private init(_ check: (@escaping TLSJudge) throws(Errno) -> Checker.Outcome) throws(Refusal) {
        let outcome: Checker.Outcome
        tls = TLSFiles()
        let judge = tls.judge
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
        guard refusals.isEmpty else { throw Refusal(description: refusals.joined(separator: "\n")) }
        if let pair = configuration.pair {
            let secret: PairSecret
            do throws(SecretFile.Refusal) { secret = try SecretFile.read(pair.secretPath) } catch {
                throw Refusal(description: error.description)
            }
            pairSecret = secret.fileContents
            do throws(TLSError) { ticketSecret = try secret.ticketSecret() } catch {
                throw Refusal(description: error.description)
            }
        }
        do throws(SecretFile.Refusal) {
            try readRouterSecrets()
            for path in configuration.identityKeyFiles {
                identityKeys[path] = try SecretFile.read(path, as: "identity key").fileContents
            }
        } catch {
            throw Refusal(description: error.description)
        }
    }

    private mutating func readRouterSecrets() throws(SecretFile.Refusal) {
        let authentications = configuration.routers.map(\.authentication)
        if authentications.contains(where: \.usesPairSecret) {
            vrrpSecrets[.vrrpSecret] = pairSecret
            if let path = configuration.pair?.acceptedSecretPath {
                vrrpSecrets[.vrrpAcceptedSecret] = try SecretFile.read(path).fileContents
            }
        }
        for router in configuration.routers where router.authentication.kind == .hmac {
            for key in router.authentication.keys {
                vrrpSecrets[.vrrpKey(router.name, key.id)] = try SecretFile.readKey(key.path)
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
        new.warnings = outcome.text
        return new
    }

    /// The tls blocks whose files hold something else than before, as a reload says it.
    func changedFiles(since old: LoadedConfiguration) -> [String] {
        func changed(_ new: [String: TLSMaterial], _ old: [String: TLSMaterial]) -> [String] {
            new.keys.filter { name in old[name].map { $0 != new[name] } ?? false }.sorted()
        }
        let listeners = changed(tls.listeners, old.tls.listeners)
        let backends = changed(tls.backends, old.tls.backends)
        let titles = listeners.map { "listen \($0)" } + backends.map { "backend \($0)" }
        return titles.map { "\($0) tls: the contents of its files changed (applies to new sessions)" }
    }
}
