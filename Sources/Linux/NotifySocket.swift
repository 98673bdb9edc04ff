// One datagram to a Unix socket: how the service manager and the journal are spoken to.

import CLinux
import Glibc

/// Sends datagrams to Unix sockets by path.
package enum UnixDatagram {
    /// Sends one datagram; a path that begins with `@` is one of the abstract namespace. Never blocks.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when the receiver is full.
    package static func send(_ bytes: [UInt8], to path: String, descriptors: [Int32] = []) throws(Errno) {
        let socket = try connect(to: path)
        try UnixSocket.send(socket.number, bytes, descriptors: descriptors)
    }

    /// A socket whose datagrams go to `path`; sent with ``UnixSocket/send(_:_:descriptors:)``.
    package static func connect(to path: String) throws(Errno) -> FileDescriptor {
        let socket = try make()
        var (address, length) = try address(path)
        // Sound: the address lives on the stack for the duration of the call.
        try check("connect \(path)") { unsafe cl_connect(socket.number, &address, length) }
        return socket
    }

    /// A socket that receives what is sent to a path.
    package static func receiver(at path: String) throws(Errno) -> FileDescriptor {
        let socket = try make()
        var (address, length) = try address(path)
        // Sound: the address lives on the stack for the duration of the call.
        try check("bind \(path)") { unsafe cl_bind(socket.number, &address, length) }
        return socket
    }

    private static func make() throws(Errno) -> FileDescriptor {
        FileDescriptor(
            owning: try check("socket") {
                Glibc.socket(AF_UNIX, Int32(CL_SOCK_DGRAM | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC), 0)
            })
    }

    private static func address(_ path: String) throws(Errno) -> (sockaddr_un, socklen_t) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        let isAbstract = name.first == UInt8(ascii: "@")
        if isAbstract { name[0] = 0 }
        let room = MemoryLayout.size(ofValue: address.sun_path) - (isAbstract ? 0 : 1)
        guard !name.isEmpty, name.count <= room else { throw Errno(ENAMETOOLONG, "socket \(path)") }
        // Sound: the name was checked to fit, and the rest stays zero.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        return (address, socklen_t(MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1)))
    }
}
