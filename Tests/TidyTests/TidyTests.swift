// The repository tests itself: the wall between values and shells, where unsafe code stands, what no file may contain.

import Testing

@Suite("The house is tidy")
struct TidyTests {
    static let pure: Set = [
        "Wire", "VRRP", "MQTT", "ProxyProtocol", "WebSocket", "Balancing", "Replication", "Configuration",
    ]

    /// What each pure target may import besides its own modules: nothing.
    static let allowed: [String: Set<String>] = [
        "Wire": [], "VRRP": ["Wire"], "MQTT": ["Wire"], "ProxyProtocol": ["Wire"], "WebSocket": ["Wire"],
        "Balancing": ["Wire"], "Replication": ["Wire", "Balancing"], "Configuration": ["Wire"],
    ]

    private static func imports(_ file: SourceFile) -> [String] {
        file.lines.compactMap { line in
            let words = line.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), place <= 2, words.count > place + 1,
                words[..<place].allSatisfy({ ["package", "private", "internal", "public", "@testable"].contains($0) })
            else { return nil }
            return String(words[place + 1])
        }
    }

    @Test("pure targets import no shell, no kernel, no clock")
    func wall() throws {
        for file in try Repository.swiftSources() where Self.pure.contains(file.target) {
            let foreign = Set(Self.imports(file)).subtracting(Self.allowed[file.target] ?? [])
            #expect(foreign.isEmpty, "\(file.path) imports \(foreign.sorted())")
        }
    }

    @Test("the daemon does without Foundation and Dispatch")
    func foundation() throws {
        for file in try Repository.swiftSources() {
            let heavy = Set(Self.imports(file)).intersection(["Foundation", "FoundationEssentials", "Dispatch"])
            #expect(heavy.isEmpty, "\(file.path) imports \(heavy.sorted())")
        }
    }

    @Test("unsafe code stands in Linux, TLS, one file of Wire and the data plane's buffers, and says why it is sound")
    func unsafeCode() throws {
        for file in try Repository.swiftSources() {
            let lines = file.lines.map { $0.drop { $0 == " " } }
            let spots = lines.indices.filter { index in
                !lines[index].hasPrefix("//")
                    && lines[index].split { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "@" }.contains("unsafe")
            }
            guard let first = spots.first else { continue }
            let isAllowed =
                file.path.hasPrefix("Sources/Linux/") || file.path.hasPrefix("Sources/TLS/")
                || file.path.hasPrefix("Sources/Proxy/DataPlane/") || file.path == "Sources/Wire/MemoryRegion.swift"
            #expect(isAllowed, "\(file.path):\(first + 1): unsafe code has no place here")
            #expect(
                file.text.contains("Sound:") || file.text.contains("sound"),
                "\(file.path): unsafe code without a word on what makes it sound")
        }
    }

    @Test("every file begins by saying what it is for")
    func headers() throws {
        for file in try Repository.swiftSources() + Repository.swiftTests() {
            let first = file.lines.first ?? ""
            #expect(first.hasPrefix("// ") && first.count > 8, "\(file.path) does not say what it is for")
        }
    }

    @Test("types and functions that cross targets are documented")
    func documentation() throws {
        let keywords = ["struct", "enum", "class", "protocol", "func"]
        for file in try Repository.swiftSources() {
            let lines = file.lines.map { $0.drop { $0 == " " } }
            for (index, line) in lines.enumerated() where line.hasPrefix("package ") {
                let words = line.split(separator: " ")
                guard let keyword = words.prefix(5).first(where: { keywords.contains(String($0)) }) else { continue }
                // Operators and what a protocol asks for are documented there.
                if keyword == "func", let name = words.firstIndex(of: "func").map({ words[$0 + 1] }),
                    name.first.map({ !$0.isLetter && $0 != "_" }) ?? true || name.hasPrefix("hash(into")
                {
                    continue
                }
                var above = index - 1
                while above >= 0, lines[above].hasPrefix("@") || lines[above].hasPrefix("#") { above -= 1 }
                let isDocumented = above >= 0 && lines[above].hasPrefix("///")
                let isRequirement = line.contains("write(into bytes") || line.contains("next() -> UInt64")
                #expect(isDocumented || isRequirement, "\(file.path):\(index + 1): \(line)")
            }
        }
    }

    @Test("no leftovers")
    func leftovers() throws {
        // Written apart, so that this file does not find itself.
        let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "fatal" + "Error(", "try" + "! ", "as" + "! "]
        for file in try Repository.swiftSources() + Repository.swiftTests() {
            for (index, line) in file.lines.enumerated() {
                for word in words where line.contains(word) {
                    Issue.record("\(file.path):\(index + 1): \(word)")
                }
            }
        }
    }

    @Test("no source file became two things")
    func length() throws {
        for file in try Repository.swiftSources() {
            let count = file.lines.count
            #expect(count <= 420, "\(file.path) has \(count) lines")
        }
    }
}
