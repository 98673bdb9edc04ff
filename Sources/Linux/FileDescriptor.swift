// Ownership of a file descriptor.

import CLinux
import Glibc
package import Wire

/// Owns a file descriptor: closed exactly once, when the owner goes.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The descriptor's number; valid as long as its owner is.
    package let number: Int32

    /// Takes over an open descriptor.
    package init(owning number: Int32) {
        precondition(number >= 0, "not a descriptor: \(number)")
        self.number = number
    }

    deinit { _ = Glibc.close(number) }

    /// Gives up ownership without closing.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// A second descriptor for the same open file, close-on-exec.
    package func duplicate() throws(Errno) -> FileDescriptor { try Descriptor.duplicate(number) }
}

/// Reads and writes by descriptor number, for those that own the descriptor or were lent it.
package enum Descriptor {
    /// Reads at most `limit` bytes. An empty result is the end of the file.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when nothing is there yet.
    package static func read(_ number: Int32, limit: Int) throws(Errno) -> [UInt8] {
        // Sound: the array's own memory of `limit` bytes is lent to the call, which says how much it wrote.
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            while true {
                let result = unsafe Glibc.read(number, buffer.baseAddress, limit)
                if result < 0, cl_errno() == EINTR { continue }
                if result < 0 { failure = .last("read") }
                count = max(result, 0)
                return
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads to the end of the file.
    ///
    /// - Throws: `Errno`; `EFBIG` when there is more than `limit` bytes.
    package static func readAll(_ number: Int32, limit: Int) throws(Errno) -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let part = try read(number, limit: min(65_536, limit + 1 - all.count))
            if part.isEmpty { return all }
            all += part
            if all.count > limit { throw Errno(EFBIG, "read more than \(limit) bytes") }
        }
    }

    /// Writes what fits; returns how many bytes were taken.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when nothing fits now.
    @discardableResult
    package static func write(_ number: Int32, _ bytes: Span<UInt8>) throws(Errno) -> Int {
        // Sound: the span's memory is lent to the call for its duration.
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            while true {
                let result = unsafe Glibc.write(number, buffer.baseAddress, buffer.count)
                if result >= 0 || cl_errno() != EINTR { return result }
            }
        }
        if result < 0 { throw .last("write") }
        return result
    }

    /// Writes everything, waiting where the descriptor blocks.
    package static func writeAll(_ number: Int32, _ bytes: [UInt8]) throws(Errno) {
        var written = 0
        while written < bytes.count {
            written += try write(number, bytes.span.extracting(written..<bytes.count))
        }
    }

    /// Whether a write would be taken now or within `milliseconds`; by a pipe at least PIPE_BUF (4,096) bytes of it.
    package static func isWritable(_ number: Int32, within milliseconds: Int32) -> Bool {
        var wanted = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
        // Sound: the structure lives on the stack for the duration of the call.
        return unsafe poll(&wanted, 1, milliseconds) > 0 && Int32(wanted.revents) & POLLOUT != 0
    }

    /// Whether there is something to read at this moment, or the end of it.
    package static func isReadable(_ number: Int32) -> Bool {
        var wanted = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        // Sound: the structure lives on the stack for the duration of the call.
        return unsafe poll(&wanted, 1, 0) > 0
    }

    /// Waits until there is something to read, or the end, at most until `deadline`.
    package static func waitReadable(_ number: Int32, until deadline: Instant) throws(Errno) {
        var wanted = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        let milliseconds = max(0, min(60_000, (deadline - Clock.now).wholeMilliseconds + 1))
        // Sound: the structure lives on the stack for the duration of the call.
        try check("poll") { unsafe poll(&wanted, 1, Int32(milliseconds)) }
    }

    /// Calls on the descriptor answer at once from now on, with an errno where they would have waited.
    package static func setNonBlocking(_ number: Int32) throws(Errno) {
        let flags = try check("fcntl F_GETFL") { cl_fcntl(number, F_GETFL, 0) }
        try check("fcntl F_SETFL") { cl_fcntl(number, F_SETFL, Int(flags | O_NONBLOCK)) }
    }

    /// Whether the descriptor closes when a program is executed.
    package static func setCloseOnExec(_ number: Int32, _ on: Bool) throws(Errno) {
        try check("fcntl F_SETFD") { cl_fcntl(number, F_SETFD, on ? Int(FD_CLOEXEC) : 0) }
    }

    /// Which file, socket or memory it is of: the same for every descriptor of it, and no other's as long as one is open.
    package static func identity(_ number: Int32) throws(Errno) -> File.Identity {
        var status = stat()
        // Sound: the structure lives on the stack for the duration of the call.
        try check("fstat") { unsafe fstat(number, &status) }
        return File.Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    }

    /// A second descriptor for the same open file, close-on-exec.
    package static func duplicate(_ number: Int32) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check("fcntl F_DUPFD_CLOEXEC") { cl_fcntl(number, F_DUPFD_CLOEXEC, 0) })
    }

    /// Makes the process's table of descriptors so large now that `count` of them fit.
    ///
    /// Otherwise the kernel doubles it whenever it is full, and the thread that opens the next descriptor then waits until every
    /// core has forgotten the old table (`synchronize_rcu`): 10 to 20 milliseconds, in which a loop serves nobody. 8 bytes of
    /// kernel memory for each.
    package static func reserve(_ count: Int) throws(Errno) {
        let bell = try Bell()
        close(try check("fcntl F_DUPFD_CLOEXEC \(count - 1)") { cl_fcntl(bell.number, F_DUPFD_CLOEXEC, count - 1) })
    }

    /// Closes a descriptor that has no owner of its own.
    package static func close(_ number: Int32) { _ = Glibc.close(number) }
}
