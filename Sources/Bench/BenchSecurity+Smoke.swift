// TLS of a smoke test: the server's certificate is looked at, as a device would.

import TLS
import Wire

extension BenchSecurity {
    /// Sessions with the server of this name or address.
    static func client(of host: String, _ trust: SmokeRun.Trust) throws(BenchRefusal) -> TLSContext {
        // An address is what the certificate must have; a name is asked for, too.
        let name = IPAddress(host) == nil ? "server-name \"\(host)\"" : ""
        let words =
            switch trust {
            case .system: "verify required; \(name)"
            case .file(let path): "verify required; ca \"\(path)\"; \(name)"
            case .nobody: "verify none; \(name)"
            }
        return try client("tls { \(words) }")
    }
}
