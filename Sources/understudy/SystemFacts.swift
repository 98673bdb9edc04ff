// What the commands ask the system for before pure code decides: files, and the addresses of this host.

import Configuration
import Linux
import TLS
import Wire

/// The configuration of this host, read from its files.
enum SystemFacts {
    /// Where the daemon and the commands look unless they are told otherwise.
    static let configurationPath = "/etc/understudy/understudy.conf"

    /// Reads and checks the configuration in `path`.
    ///
    /// - Parameter node: what `--node` says; `nil`: this host is recognised by its addresses.
    /// - Throws: `Errno` when the main file or the list of addresses cannot be read; what is wrong in the files, or with
    ///   an included one, is in the outcome.
    static func configuration(_ path: String, node: String?) throws(Errno) -> Checker.Outcome {
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
            }, judge: TLSFiles().judge)
    }
}
