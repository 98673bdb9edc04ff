// The inputs that are kept: honest ones to begin with, and each that once found something.

import Foundation

/// `Tests/Corpus/TARGET/FILE`: the bytes as they are.
enum Corpus {
    static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Corpus")

    /// All inputs of a target, in the order of their names.
    static func inputs(of name: String) throws -> [[UInt8]] {
        let folder = folder.appendingPathComponent(name)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            Array(try Data(contentsOf: folder.appendingPathComponent($0)))
        }
    }

    /// The targets that have a folder.
    static func names() throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
    }
}
