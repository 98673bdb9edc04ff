// Small files by path, for tools and tests: write, list, remove.

import CLinux
import Glibc

/// Writes, lists and removes small files; ``File`` reads them.
package enum FileTree {
    /// Random bytes from the kernel.
    package static func randomBytes(_ count: Int) throws(Errno) -> [UInt8] {
        let file = try open("/dev/urandom", O_RDONLY)
        return try Descriptor.read(file.number, limit: count)
    }

    /// Makes or replaces a file.
    package static func write(_ path: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(Errno) {
        let file = try open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        try Descriptor.writeAll(file.number, bytes)
    }

    /// Opens a file with the flags of open(2), close-on-exec.
    package static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0o644) throws(Errno) -> FileDescriptor {
        // Sound: the path is lent for the duration of the call.
        FileDescriptor(owning: try check("open \(path)") { unsafe cl_open(path, flags | O_CLOEXEC, mode) })
    }

    /// Makes a directory.
    package static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
        // Sound: the path is lent for the duration of the calls.
        try check("mkdir \(path)") { unsafe mkdir(path, mode) }
        try check("chmod \(path)") { unsafe chmod(path, mode) }
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package static func list(_ path: String) throws(Errno) -> [String] {
        // Sound: the stream is open between opendir and closedir, an entry is valid until the next readdir.
        guard let directory = unsafe opendir(path) else { throw .last("opendir \(path)") }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The path of a program found in `PATH` or one of the administrator's directories.
    package static func program(_ name: String) -> String? {
        if name.hasPrefix("/") { return name }
        let directories: [String] = (variable("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { String($0) }
        return (directories + ["/usr/sbin", "/sbin"]).map { "\($0)/\(name)" }.first { path in
            // Sound: the path is lent for the duration of the call.
            unsafe access(path, X_OK) == 0
        }
    }

    /// An environment variable.
    package static func variable(_ name: String) -> String? {
        // Sound: getenv's string is copied at once.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// The path of the program that runs this.
    package static var ownProgram: String? { target("/proc/self/exe") }

    /// Where a symbolic link points; `nil` when there is none.
    package static func target(_ link: String) -> String? {
        var room = [UInt8](repeating: 0, count: 4096)
        // Sound: the array's memory is lent with its size.
        let count = unsafe room.withUnsafeMutableBytes { bytes -> Int in
            guard let start = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return -1 }
            return unsafe readlink(link, start, bytes.count)
        }
        return count < 0 ? nil : String(decoding: room.prefix(count), as: UTF8.self)
    }

    /// Removes a file, or a directory with everything in it. Symbolic links are not followed.
    package static func remove(_ path: String) throws(Errno) {
        // Sound: the paths are lent for the duration of the calls.
        if unsafe unlink(path) == 0 { return }
        let code = cl_errno()
        if code == ENOENT { return }
        guard code == EISDIR || code == EPERM else { throw Errno(code, "unlink \(path)") }
        for name in try list(path) { try remove("\(path)/\(name)") }
        try check("rmdir \(path)") { unsafe rmdir(path) }
    }
}
