// Pipes for splice(2): bytes go through them from socket to socket without coming here.

import CLinux
import Glibc

/// Pipes that are wide, wait for nobody, and can be told from whatever has their numbers later.
package enum SplicePipe {
    /// A new pipe, close-on-exec: what is written to `second` is read from `first`.
    package static func make() throws(Errno) -> Socket.Pair {
        var ends: (Int32, Int32) = (-1, -1)
        // Sound: the tuple has room for the two numbers the call writes.
        try check("pipe2") {
            unsafe withUnsafeMutableBytes(of: &ends) { bytes -> Int32 in
                guard let numbers = unsafe bytes.assumingMemoryBound(to: Int32.self).baseAddress else { return -1 }
                return unsafe cl_pipe(numbers)
            }
        }
        return Socket.Pair(first: FileDescriptor(owning: ends.0), second: FileDescriptor(owning: ends.1))
    }

    /// Asks for room for `wanted` bytes; what there is then, in bytes. A user may have so many wide pipes only
    /// (`/proc/sys/fs/pipe-user-pages-soft`): beyond that the kernel says no, and the pipe stays as it is.
    package static func widen(_ number: Int32, to wanted: Int) -> Int {
        let size = cl_fcntl(number, Int32(CL_F_SETPIPE_SZ), wanted)
        return Int(size >= 0 ? size : max(0, cl_fcntl(number, Int32(CL_F_GETPIPE_SZ), 0)))
    }

    /// What both ends of a pipe share and no other pipe has while this one is open; 0: the number is no pipe.
    package static func identity(_ number: Int32) -> UInt64 {
        var status = stat()
        // Sound: the structure lives on the stack for the duration of the call.
        guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return 0 }
        return UInt64(status.st_ino)
    }

    /// Bytes that are in a pipe; `nil`: the number is no pipe.
    package static func fill(_ number: Int32) -> Int? {
        var count: Int32 = 0
        // Sound: the number lives on the stack for the duration of the call.
        return unsafe cl_ioctl(number, UInt(CL_FIONREAD), &count) == 0 ? Int(count) : nil
    }

    /// Moves at most `count` bytes from a socket to a pipe, or back; neither is waited for.
    @inline(__always)
    package static func move(_ source: Int32, _ destination: Int32, _ count: Int) -> Transfer {
        while true {
            let result = cl_splice(source, destination, UInt64(count))
            if result > 0 { return .moved(Int(result)) }
            if result == 0 { return .ended }
            if result == -Int64(EAGAIN) { return .wouldBlock }
            if result != -Int64(EINTR) { return .failed(Int32(-result)) }
        }
    }

    /// Whether an errno of ``move(_:_:_:)`` says that the kernel cannot do this here, and nothing about the connection.
    package static func isIncapacity(_ code: Int32) -> Bool { [EINVAL, ENOMEM, ENOSYS, EPERM, EBADF].contains(code) }
}
