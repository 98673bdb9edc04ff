// The configurations of the documents, as they are shipped in conf/examples.

import Foundation
import Testing
import Wire

@testable import Configuration

@Suite("An example of a document's configuration")
struct ExampleFilesTests {
    /// Who has the addresses that the examples call their own.
    private static let host = Host(
        addresses: [.v4(IPv4Address(10, 0, 0, 11))]
            + [5, 20, 21, 22, 23].map { .v4(IPv4Address(10, 211, 55, $0)) })

    private static var names: [String] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "conf/examples")
        let files = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        // Examples that come from no document have tests of their own.
        let documents = ["production-", "nginx-", "haproxy-", "emqx-", "load-balancer"]
        return (files ?? []).filter { name in
            name.hasSuffix(".conf") && documents.contains { name.hasPrefix($0) }
        }.sorted()
    }

    /// What `check` has to say about what the documents want, and is right to say.
    private static let warnings = [
        "nginx-websocket.conf": "port 80 needs root or the capability CAP_NET_BIND_SERVICE",
        "nginx-websocket-tls.conf": "port 443 needs root or the capability CAP_NET_BIND_SERVICE",
    ]

    @Test func `is there for each block of the documents`() {
        #expect(Self.names.count == 27)
        #expect(Set(Self.warnings.keys).isSubset(of: Self.names))
    }

    @Test(arguments: names)
    func `is good, and its warnings are known`(_ name: String) throws {
        let outcome = Checker.check(try Files.shipped("examples/\(name)"), as: Self.host)
        #expect(outcome.configuration != nil, "\(outcome.text)")
        let warnings = outcome.text.split(separator: "\n").filter { $0.contains(": warning: ") }
        if let expected = Self.warnings[name] {
            #expect(warnings.count == 1 && warnings.allSatisfy { $0.hasSuffix(expected) }, "\(outcome.text)")
        } else {
            #expect(outcome.text.isEmpty, "\(outcome.text)")
        }
    }

    @Test(arguments: names)
    func `says where it comes from`(_ name: String) throws {
        let text = String(decoding: try Files.shipped("examples/\(name)").bytes, as: UTF8.self)
        #expect(text.hasPrefix("# ") && text.contains("\""))
    }
}
