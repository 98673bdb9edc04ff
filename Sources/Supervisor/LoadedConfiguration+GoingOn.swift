// What a new supervisor takes for what is in force: what the children were given, not what the disk holds by now.

import Configuration
import Control
import Linux
import TLS
import Wire

extension LoadedConfiguration {
    /// Puts the secrets that the children live by in the place of those that were read from the disk.
    ///
    /// What differs was written while one program followed another. A certificate is then found as any other that was replaced
    /// (``CertificateWatch``), and proposed to the children; another pair secret is refused by the next reload.
    ///
    /// - Parameter given: contents by the names the children know them by.
    /// - Returns: what the disk holds other contents of, sorted, for people.
    /// - Throws: `Errno` when something in use cannot be read.
    mutating func goOn(with given: [DescriptorName: [UInt8]]) throws(Errno) -> [String] {
        var outdated: Set<String> = []
        func held(_ name: DescriptorName, _ read: [UInt8]) -> [UInt8] {
            guard let known = given[name], known != read else { return read }
            outdated.insert(name.text)
            return known
        }
        if let read = pairSecret { pairSecret = held(.pairSecret, read) }
        if let read = ticketSecret { ticketSecret = held(.ticketSecret, read) }
        for (path, read) in identityKeys { identityKeys[path] = held(.identityKey(path), read) }
        for (name, read) in vrrpSecrets { vrrpSecrets[name] = held(name, read) }
        for (name, read) in tls.listeners {
            let known = held(.tls(listener: name), read.encoded)
            if known != read.encoded { tls.use(try Self.material(known), in: .listener(name)) }
        }
        for (name, read) in tls.backends {
            let known = held(.tls(backend: name), read.encoded)
            if known != read.encoded { tls.use(try Self.material(known), in: .backend(name)) }
        }
        return outdated.sorted()
    }

    private static func material(_ bytes: [UInt8]) throws(Errno) -> TLSMaterial {
        do throws(TLSMaterial.Malformed) { return try TLSMaterial(parsing: bytes.span) } catch {
            throw Errno(Errno.invalidArgument, "the certificates in use cannot be read")
        }
    }
}
