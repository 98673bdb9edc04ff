// Datagrams to one receiver, without ever waiting for it.

import CLinux
import Glibc
package import Wire

/// Sockets that send datagrams to one place, or receive them.
package enum DatagramSocket {
    /// A UDP socket whose datagrams go to `address`; sent with ``UnixSocket/send(_:_:descriptors:)``.
    package static func connect(to address: SocketAddress) throws(Errno) -> FileDescriptor {
        let socket = try make(address)
        var (storage, length) = address.storage
        // Sound: the address lives on the stack for the duration of the call.
        try check("connect \(address)") { unsafe cl_connect(socket.number, &storage, length) }
        return socket
    }

    /// A UDP socket that receives what is sent to `address`; port 0 lets the kernel choose.
    package static func receiver(at address: SocketAddress) throws(Errno) -> FileDescriptor {
        let socket = try make(address)
        try Socket.bind(socket.number, address)
        return socket
    }

    private static func make(_ address: SocketAddress) throws(Errno) -> FileDescriptor {
        let family = address.address.family == .ipv4 ? AF_INET : AF_INET6
        let kind = Int32(CL_SOCK_DGRAM | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)
        return FileDescriptor(owning: try check("socket") { Glibc.socket(family, kind, 0) })
    }
}
