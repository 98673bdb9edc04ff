// The repository as the Tidy tests read it.

import Foundation

/// A source file of this repository.
struct SourceFile {
    /// Relative to the repository: `Sources/Wire/Instant.swift`.
    let path: String
    let text: String
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    /// The target's name for files below Sources or Tests.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
}

/// Finds the repository's own files.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Files below `folder` whose names end in one of `endings`.
    static func files(below folder: String, endings: [String]) throws -> [SourceFile] {
        let base = root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(at: base, includingPropertiesForKeys: nil) else { return [] }
        var files: [SourceFile] = []
        for case let url as URL in walk where endings.contains(where: { url.lastPathComponent.hasSuffix($0) }) {
            let path = String(url.path.dropFirst(root.path.count + 1))
            files.append(SourceFile(path: path, text: try String(contentsOf: url, encoding: .utf8)))
        }
        return files.sorted { $0.path < $1.path }
    }

    static func swiftSources() throws -> [SourceFile] { try files(below: "Sources", endings: [".swift"]) }
    static func swiftTests() throws -> [SourceFile] { try files(below: "Tests", endings: [".swift"]) }
}
