// The page of features names directives, commands and tests that are really there.

import Configuration
import Foundation
import Testing

@Suite("The page of features")
struct FeatureTests {
    private struct Row {
        var number: Int
        var what: String
        var directives: String
        var tests: String

        /// What stands in `code`.
        static func code(_ text: String) -> [String] {
            text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
        }
    }

    private static func rows() throws -> [Row] {
        let page = try String(
            contentsOf: Repository.root.appendingPathComponent("docs/features.md"), encoding: .utf8)
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 4, let number = Int(cells[0]) else { return nil }
            return Row(number: number, what: cells[1], directives: cells[2], tests: cells[3])
        }
    }

    /// The promises of other pages: which page, and the tests.
    private static func promises() throws -> [(what: String, page: String, tests: String)] {
        let page = try String(
            contentsOf: Repository.root.appendingPathComponent("docs/features.md"), encoding: .utf8)
        return page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3, cells[0] != "promise", !cells[0].hasPrefix("---") else { return nil }
            return (cells[0], cells[1], cells[2])
        }
    }

    @Test("names pages that are there, and a test for each of their promises")
    func promised() throws {
        let promises = try Self.promises()
        #expect(promises.count > 10)
        for promise in promises {
            #expect(!Row.code(promise.tests).isEmpty, "\(promise.what): nothing shows it")
            for name in Row.code(promise.page) {
                let path = Repository.root.appendingPathComponent("docs/\(name)").path
                #expect(FileManager.default.fileExists(atPath: path), "\(promise.what): there is no page \(name)")
            }
        }
    }

    @Test("has each of the 154 rows once, and each says how it is shown or that it is not there yet")
    func whole() throws {
        let rows = try Self.rows()
        #expect(rows.map(\.number) == Array(1...154))
        for row in rows {
            #expect(!row.what.isEmpty && !row.tests.isEmpty, "row \(row.number)")
            #expect(
                row.tests.hasPrefix("not yet: ") || !Row.code(row.tests).isEmpty
                    || row.tests.hasPrefix("for the operator"),
                "row \(row.number) shows nothing")
        }
        #expect(Set(rows.map(\.what)).count == rows.count)
    }

    @Test("names directives of the table, and commands of the program")
    func directives() throws {
        let names = Set(Directive.all.map(\.name))
        let commands = try Repository.files(below: "Sources/understudy", endings: [".swift"]).map(\.text).joined()
        for row in try Self.rows() {
            let words = Row.code(row.directives) + Row.code(row.tests).filter { !$0.contains(": ") }
            for word in words {
                if word.hasPrefix("understudy ") {
                    let command = word.dropFirst("understudy ".count)
                    #expect(
                        commands.contains("name: \"\(command)\""), "row \(row.number): there is no command \(command)")
                } else if !word.hasPrefix("--"), !word.hasPrefix("make ") {
                    #expect(names.contains(word), "row \(row.number): there is no directive \(word)")
                }
            }
        }
    }

    @Test("names test functions of the tree")
    func tests() throws {
        let tests = try Repository.swiftTests()
        let promises = try Self.promises().map { (place: $0.what, tests: $0.tests) }
        for row in try Self.rows().map({ (place: "row \($0.number)", tests: $0.tests) }) + promises {
            for name in Row.code(row.tests) {
                let parts = name.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, let function = parts.last?.dropFirst() else { continue }
                let files = tests.filter {
                    $0.text.contains("struct \(parts[0])") || $0.path.hasSuffix("/\(parts[0]).swift")
                }
                let isThere = files.contains { file in
                    file.text.contains("func \(function)(") || file.text.contains("func `\(function)`(")
                }
                #expect(isThere, "\(row.place): there is no \(name)")
            }
        }
    }
}
