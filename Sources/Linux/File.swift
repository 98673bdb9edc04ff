// Files by path: read whole, written once, asked for owner and mode.

import CLinux
import Glibc

/// Files in the file system.
package enum File {
    /// Who owns a file and who may use it.
    package struct Status: Hashable, Sendable {
        package var owner: UInt32
        package var group: UInt32
        /// The permission bits, 0o777 at most.
        package var mode: UInt32
        package var isRegular: Bool
    }

    /// What changes whenever a file is written or replaced.
    package struct Stamp: Hashable, Sendable {
        private var device: UInt64
        private var number: UInt64
        private var size: Int64
        /// Nanoseconds since 1970 of the last change of the contents, and of the file's own data.
        private var changes: [Int64]

        fileprivate init(_ status: stat) {
            device = UInt64(status.st_dev)
            number = UInt64(status.st_ino)
            size = Int64(status.st_size)
            changes = [status.st_mtim, status.st_ctim].map { Int64($0.tv_sec) &* 1_000_000_000 &+ Int64($0.tv_nsec) }
        }
    }

    /// Which file it is, whatever it is called and whatever happens to it.
    package struct Identity: Hashable, Sendable {
        /// The device's number, and the file's on it (`st_dev`, `st_ino`).
        package var device: UInt64
        package var number: UInt64

        package init(device: UInt64, number: UInt64) {
            self.device = device
            self.number = number
        }
    }

    /// Which file is at a path; `nil` when there is none, or this process may not see it.
    package static func identity(_ path: String) -> Identity? {
        var status = stat()
        // Sound: path and structure are lent for the duration of the call.
        guard unsafe stat(path, &status) == 0 else { return nil }
        return Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    }

    /// The stamp of a file or directory; `nil` when there is none.
    package static func stamp(_ path: String) -> Stamp? {
        var status = stat()
        // Sound: path and structure are lent for the duration of the call.
        guard unsafe stat(path, &status) == 0 else { return nil }
        return Stamp(status)
    }

    /// The stamp of an open file.
    package static func stamp(of number: Int32) throws(Errno) -> Stamp {
        var status = stat()
        // Sound: the structure lives on the stack for the duration of the call.
        try check("fstat") { unsafe fstat(number, &status) }
        return Stamp(status)
    }

    /// Opens a file for reading.
    package static func open(reading path: String) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check("open \(path)") { unsafe cl_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0) })
    }

    /// Opens a device for reading and writing.
    package static func open(device path: String) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check("open \(path)") { unsafe cl_open(path, O_RDWR | O_CLOEXEC, 0) })
    }

    /// Reads a whole file.
    ///
    /// - Throws: `Errno`; `EFBIG` when it holds more than `limit` bytes.
    package static func read(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        let file = try open(reading: path)
        do throws(Errno) {
            return try Descriptor.readAll(file.number, limit: limit)
        } catch {
            throw Errno(error.code, "\(error.call) of \(path)")
        }
    }

    /// Writes a new file that is on the disk when this returns.
    ///
    /// - Throws: `Errno`; `EEXIST` when there is such a file already.
    package static func create(_ path: String, mode: UInt32, _ bytes: [UInt8]) throws(Errno) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let file = FileDescriptor(owning: try check("open \(path)") { unsafe cl_open(path, flags, mode) })
        do {
            try Descriptor.writeAll(file.number, bytes)
            try check("fsync \(path)") { fsync(file.number) }
        } catch {
            remove(path)
            throw error
        }
    }

    /// Who owns an open file, and who may use it.
    package static func status(_ number: Int32) throws(Errno) -> Status {
        var status = stat()
        // Sound: the structure lives on the stack for the duration of the call.
        try check("fstat") { unsafe fstat(number, &status) }
        return Status(
            owner: status.st_uid, group: status.st_gid, mode: status.st_mode & 0o777,
            isRegular: status.st_mode & S_IFMT == S_IFREG)
    }

    /// Puts a file in the place of another, at once and as a whole.
    package static func rename(_ old: String, to new: String) throws(Errno) {
        try check("rename \(old)") { unsafe Glibc.rename(old, new) }
    }

    /// Gives a file to a group.
    package static func setGroup(_ path: String, _ group: UInt32) throws(Errno) {
        try check("chown \(path)") { unsafe chown(path, UInt32.max, group) }
    }

    /// - Parameter mode: permission bits.
    package static func setMode(_ path: String, _ mode: UInt32) throws(Errno) {
        try check("chmod \(path)") { unsafe chmod(path, mode) }
    }

    /// Removes a file, if there is one.
    package static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// The directory this process works in.
    package static var currentDirectory: String {
        // Sound: the call allocates what it returns, which is freed once.
        guard let path = unsafe getcwd(nil, 0) else { return "/" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }
}
