// Files of this repository, for tests that read what is shipped.

import Foundation

enum Repository {
    /// The bytes of a file, by its path from the root of the repository.
    static func bytes(_ path: String) throws -> [UInt8] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return Array(try Data(contentsOf: root.appending(path: path)))
    }
}
