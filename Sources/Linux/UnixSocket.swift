// Unix stream sockets by path, and messages that carry descriptors.

import CLinux
import Glibc

/// Unix sockets in the file system, and descriptors passed over them.
package enum UnixSocket {
    private static let flags = Int32(CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)

    /// A stream listener at `path`, replacing a socket file that nobody listens on.
    package static func listen(path: String, mode: UInt32) throws(Errno) -> FileDescriptor {
        if let other = try? connect(path: path) {
            _ = consume other
            throw Errno(EADDRINUSE, "bind \(path)")
        }
        _ = unsafe unlink(path)
        let socket = try make()
        var address = try address(path)
        // Sound: the address lives on the stack for the duration of the call.
        try check("bind \(path)") { unsafe cl_bind(socket.number, &address, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        try check("chmod \(path)") { unsafe chmod(path, mode) }
        try check("listen \(path)") { Glibc.listen(socket.number, 64) }
        return socket
    }

    /// A connection to the listener at `path`.
    package static func connect(path: String) throws(Errno) -> FileDescriptor {
        let socket = try make()
        var address = try address(path)
        // Sound: the address lives on the stack for the duration of the call.
        try check("connect \(path)") {
            unsafe cl_connect(socket.number, &address, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
        return socket
    }

    private static func make() throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try check("socket") { Glibc.socket(AF_UNIX, Int32(CL_SOCK_STREAM) | flags, 0) })
    }

    private static func address(_ path: String) throws(Errno) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard bytes.count <= room else { throw Errno(ENAMETOOLONG, "socket \(path)") }
        // Sound: the path was checked to fit, and the rest stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return address
    }

    /// Sends one message with descriptors (at most 64), which stay open here.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when the other side does not take it now.
    package static func send(_ number: Int32, _ bytes: [UInt8], descriptors: [Int32] = []) throws(Errno) {
        precondition(descriptors.count <= Int(CL_MAXIMUM_DESCRIPTORS), "too many descriptors for one message")
        // Sound: both arrays are lent for the duration of the call, with their counts.
        try check("sendmsg") {
            unsafe bytes.withUnsafeBytes { message in
                unsafe descriptors.withUnsafeBufferPointer { numbers in
                    unsafe cl_send_descriptors(
                        number, message.baseAddress, message.count, numbers.baseAddress, numbers.count)
                }
            }
        }
    }

    /// Receives one message of at most `limit` bytes with its descriptors, now owned by the caller.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when there is none; `EMSGSIZE` when it was longer than `limit`.
    package static func receive(_ number: Int32, limit: Int) throws(Errno) -> (bytes: [UInt8], descriptors: [Int32]) {
        var descriptors = [Int32](repeating: -1, count: Int(CL_MAXIMUM_DESCRIPTORS))
        var count = descriptors.count
        var messageFlags: Int32 = 0
        var failure: Errno?
        // Sound: the arrays' own memory is lent with its capacity; the call says how much it filled.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            while true {
                count = Int(CL_MAXIMUM_DESCRIPTORS)
                let result = unsafe descriptors.withUnsafeMutableBufferPointer { numbers in
                    unsafe cl_receive_descriptors(
                        number, buffer.baseAddress, limit, numbers.baseAddress, &count, &messageFlags)
                }
                if result < 0, cl_errno() == EINTR { continue }
                if result < 0 { failure = .last("recvmsg") }
                filled = max(result, 0)
                return
            }
        }
        if let failure { throw failure }
        let owned = Array(descriptors[..<count])
        if messageFlags & Int32(MSG_TRUNC | MSG_CTRUNC) != 0 {
            owned.forEach { Descriptor.close($0) }
            throw Errno(EMSGSIZE, "recvmsg")
        }
        return (bytes, owned)
    }
}
