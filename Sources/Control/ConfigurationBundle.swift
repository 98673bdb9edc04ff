// The configuration as it is handed to the children: the very bytes the supervisor read and checked.

package import Linux
import Wire

/// A node's name and the bytes of the main file and of everything it includes.
///
/// Read once by the supervisor, so that all processes live by the same bytes whatever an editor does meanwhile; each child
/// parses them again with the same code. Travels in a sealed memfd.
/// Form: `UCB1`, the node's name, the number of files, then for each its path and its bytes; lengths are four octets.
package struct ConfigurationBundle: Hashable, Sendable {
    /// One file.
    package struct File: Hashable, Sendable {
        /// As the operator or an `include` named it, for messages and to find what an `include` refers to.
        package var path: String
        package var bytes: [UInt8]

        package init(path: String, bytes: [UInt8]) {
            self.path = path
            self.bytes = bytes
        }
    }

    /// Files of one bundle.
    package static let maximumFiles = 64
    /// Octets of one file.
    package static let maximumFileSize = 1 << 20
    /// Octets of a path.
    package static let maximumPath = 4096

    private static let magic = Array("UCB1".utf8)
    private static let maximumSize = maximumFiles * (maximumFileSize + maximumPath + 8) + 4096

    /// The name given with `--node`; `nil`: the host recognises itself by its addresses.
    package var node: String?
    /// The main file first, then the included ones in the order they were met.
    package var files: [File]

    package init(node: String?, files: [File]) {
        self.node = node
        self.files = files
    }

    /// The bytes of an included file.
    package func file(at path: String) -> File? { files.first { $0.path == path } }

    // MARK: Form

    package var encoded: [UInt8] {
        var bytes = Self.magic
        bytes.append(text: node ?? "")
        bytes.append(bigEndian: UInt32(files.count))
        for file in files {
            bytes.append(text: file.path)
            bytes.append(bigEndian: UInt32(file.bytes.count))
            bytes += file.bytes
        }
        return bytes
    }

    /// - Throws: ``MalformedMessage``.
    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        do {
            guard try reader.take(4) == Self.magic else { throw MalformedMessage("not a configuration bundle") }
            let name = try reader.text(limit: ControlLimits.name)
            node = name.isEmpty ? nil : name
            let count = Int(try reader.u32())
            guard (1...Self.maximumFiles).contains(count) else { throw MalformedMessage("\(count) files") }
            files = []
            for _ in 0..<count {
                let path = try reader.text(limit: Self.maximumPath)
                let size = Int(try reader.u32())
                guard size <= Self.maximumFileSize else { throw MalformedMessage("a file of \(size) octets") }
                files.append(File(path: path, bytes: try reader.take(size)))
            }
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the bundle ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the bundle") }
    }

    // MARK: Travel

    /// The bundle in a memfd nobody can change.
    package func sealed() throws(Errno) -> FileDescriptor {
        try Memfd.sealed(name: "understudy-configuration", encoded)
    }

    /// Reads a bundle out of the memfd that came with ``SupervisorMessage/prepare(generation:)``.
    ///
    /// - Throws: ``MalformedMessage``, also when the kernel does not give the bytes.
    package init(reading descriptor: Int32) throws(MalformedMessage) {
        let bytes: [UInt8]
        do { bytes = try Memfd.contents(descriptor, limit: Self.maximumSize) } catch {
            throw MalformedMessage("\(error)")
        }
        try self.init(parsing: bytes.span)
    }
}
