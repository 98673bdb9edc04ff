// TLS contexts of the generator and the test broker, made the way the daemon makes its own.

import Configuration
import TLS
import Wire

/// Why a bench cannot begin, in a sentence for people.
package struct BenchRefusal: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Which versions of TLS are offered.
package enum BenchTLSVersion: String, CaseIterable, Sendable {
    case tls12 = "1.2"
    case tls13 = "1.3"
}

enum BenchSecurity {
    /// Sessions with a server whose certificate is not looked at.
    static func client(_ version: BenchTLSVersion) throws(BenchRefusal) -> TLSContext {
        try client("tls { verify none; minimum-version \(version.rawValue); maximum-version \(version.rawValue) }")
    }

    /// Sessions with a server, by the `tls` block of a backend.
    static func client(_ block: String) throws(BenchRefusal) -> TLSContext {
        let (configuration, files) = try read("backend b { server s 127.0.0.1:1; \(block) }", listener: "")
        guard let settings = configuration.backends.first?.tls, let material = files.backends["b"] else {
            throw BenchRefusal("no TLS settings")
        }
        do {
            return try TLSContext(backend: settings, material: material)
        } catch {
            throw BenchRefusal("\(error)")
        }
    }

    /// Sessions of the test broker, with the certificate and key of one PEM file.
    static func server(certificate path: String) throws(BenchRefusal) -> TLSContext {
        let (configuration, files) = try read(
            "backend b { server s 127.0.0.1:1 }", listener: "tls { certificate \"\(path)\" }")
        guard let settings = configuration.listeners.first?.tls, let material = files.listeners["l"] else {
            throw BenchRefusal("no TLS settings")
        }
        do {
            return try TLSContext(
                listener: settings, material: material, ticketSecret: .init(repeating: 7, count: TicketKeys.secretCount))
        } catch {
            throw BenchRefusal("\(error)")
        }
    }

    private static func read(_ backend: String, listener: String) throws(BenchRefusal) -> (Configuration, TLSFiles) {
        let files = TLSFiles()
        let text = "listen l { bind 127.0.0.1:2; use b; \(listener) }\n\(backend)\n"
        let outcome = Checker.check(Source(name: "bench", text: text), as: .init(), judge: files.judge)
        guard let configuration = outcome.configuration else { throw BenchRefusal(outcome.text) }
        return (configuration, files)
    }
}
