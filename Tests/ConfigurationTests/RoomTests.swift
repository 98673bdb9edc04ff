// More of something than there is room for.

import Testing

@testable import Configuration

@Suite("There is room")
struct RoomTests {
    private func check(_ file: String) -> [String] {
        Checker.check(Source(name: "test.conf", text: file), as: Host()) { _ throws(IncludeFailure) in
            throw IncludeFailure("No such file or directory")
        }.diagnostics.map { "\($0.severity): \($0.message)" }
    }

    private func backend(_ sources: [String]) -> String {
        "listen m { bind *:1883; use b }\nbackend b {\nserver s1 192.168.0.2:1883\n" + sources.joined(separator: "\n") + "\n}\n"
    }

    @Test("for 64 sources on one node")
    func sources() {
        let lines = (1...65).map { "source 10.0.1.\($0)" }
        #expect(check(backend(Array(lines.prefix(64)))) == [])
        #expect(check(backend(lines)) == ["error: on one node at most 64 sources of a backend hold"])
        let nodes = "node lb1 { address 10.0.0.11; priority 150 }\nnode lb2 { address 10.0.0.12; priority 100 }\n"
        let spread = (0..<128).map { "source 10.0.1.\($0 + 1) node lb\($0 % 2 + 1)" }
        #expect(!check(nodes + backend(spread)).contains { $0.contains("sources") })
        #expect(check(nodes + backend(spread + ["source *"])).contains("error: on one node at most 64 sources of a backend hold"))
    }

    @Test("for 64 replicated tables")
    func tables() {
        func file(_ count: Int) -> String {
            (1...count).map { "stick-table t\($0) { replicate }\n" }.joined()
        }
        let message = "error: at most 64 tables are replicated"
        #expect(!check(file(64)).contains(message))
        #expect(check(file(65)).contains(message))
    }
}
