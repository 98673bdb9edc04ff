// A configuration file and the exact messages it gets.

import Testing
import Wire

@testable import Configuration

/// One file with one mistake, and its one message.
struct Golden: Sendable, CustomTestStringConvertible {
    /// Who reads the file.
    enum Reader: Sendable {
        /// A host that says nothing about itself.
        case anybody
        /// `--node NAME`.
        case node(String)
        /// A host with one IPv4 address.
        case addresses(UInt8, UInt8, UInt8, UInt8)

        var host: Host {
            switch self {
            case .anybody: Host()
            case .node(let name): Host(node: name)
            case .addresses(let a, let b, let c, let d): Host(addresses: [.v4(IPv4Address(a, b, c, d))])
            }
        }
    }

    var title: String
    var reader: Reader
    var file: String
    var messages: String

    init(_ title: String, as reader: Reader, file: String, messages: String) {
        self.title = title
        self.reader = reader
        self.file = file
        self.messages = messages
    }

    var testDescription: String { title }

    func check() -> Checker.Outcome {
        Checker.check(Source(name: "test.conf", text: file), as: reader.host) { path throws(IncludeFailure) in
            throw IncludeFailure("No such file or directory")
        }
    }
}

@Suite("A configuration with one mistake gets one message")
struct GoldenTests {
    static let errors =
        Golden.words + Golden.characters + Golden.braces + Golden.values + Golden.missing + Golden.names
        + Golden.contradictions + Golden.includes + Golden.tracks + Golden.routers + Golden.routerAddresses + Golden.crowds + Golden.encryption
        + Golden.backends + Golden.webSockets + Golden.limits + Golden.drains + Golden.proxying

    @Test(arguments: errors)
    func `an error, and nothing is configured`(_ golden: Golden) {
        let outcome = golden.check()
        #expect(outcome.text == golden.messages + "\n")
        #expect(outcome.diagnostics.map(\.severity) == [.error])
        #expect(outcome.configuration == nil)
    }

    @Test(
        arguments: Golden.warnings + Golden.limitWarnings + Golden.encryptionWarnings + Golden.routerAddressWarnings
            + Golden.proxyWarnings)
    func `a warning, and the configuration holds`(_ golden: Golden) {
        let outcome = golden.check()
        #expect(outcome.text == golden.messages + "\n")
        #expect(outcome.diagnostics.map(\.severity) == [.warning])
        #expect(outcome.configuration != nil)
    }

    @Test func `there are at least fifty broken files`() {
        #expect(Self.errors.count >= 50)
    }

    @Test func `bytes that are not UTF-8 are one mistake`() {
        let bytes = Array("listen m".utf8) + [0xFF, 0xFE] + Array(" { bind *:1883; use b }\n".utf8)
        let rest = Array("backend b { server s1 192.168.0.2:1883 }\n".utf8)
        let outcome = Checker.check(Source(name: "test.conf", bytes: bytes + rest), as: Host())
        #expect(outcome.diagnostics.map(\.message) == ["not UTF-8"])
        #expect(outcome.configuration == nil)
    }
}
