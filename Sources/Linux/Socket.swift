// TCP and Unix sockets: creation, options, addresses.

import CLinux
import Glibc
package import Wire

/// Creates sockets and sets their options. All are non-blocking and close-on-exec.
package enum Socket {
    /// A connection taken off a listener's queue.
    package struct Accepted: ~Copyable {
        package let socket: FileDescriptor
        /// The other end.
        package let address: SocketAddress?

        /// Gives up the socket.
        package consuming func take() -> FileDescriptor { socket }
    }

    /// Two connected ends.
    package struct Pair: ~Copyable {
        package let first: FileDescriptor
        package let second: FileDescriptor

        /// Gives both up without closing them.
        package consuming func release() {
            _ = first.release()
            _ = second.release()
        }
    }

    private static let flags = Int32(CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)

    /// A TCP listener. The unspecified IPv6 address listens on IPv4 too.
    ///
    /// - Parameter reusePort: several listeners share the address, the kernel spreads connections over them.
    package static func listen(
        _ address: SocketAddress, backlog: Int32, reusePort: Bool
    ) throws(Errno) -> FileDescriptor {
        let family = address.address.family == .ipv4 ? AF_INET : AF_INET6
        let socket = FileDescriptor(
            owning: try check("socket") { Glibc.socket(family, Int32(CL_SOCK_STREAM) | flags, 0) })
        try set(socket.number, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR")
        if reusePort { try set(socket.number, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT") }
        if family == AF_INET6 {
            try set(
                socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address.address.isUnspecified ? 0 : 1, "IPV6_V6ONLY")
        }
        // What accepted sockets inherit: the CONNECT is acknowledged by the CONNACK, not by a segment of its own. The kernel
        // takes it back when an answer does not come in time.
        try set(socket.number, Int32(IPPROTO_TCP), TCP_QUICKACK, 0, "TCP_QUICKACK")
        try setUrgentInline(socket.number)
        // And small packets are sent at once: an MQTT PINGREQ has two bytes.
        try setNoDelay(socket.number)
        // The virtual address may not be here yet: both hosts listen on it, hot.
        try set(socket.number, Int32(IPPROTO_IP), IP_FREEBIND, 1, "IP_FREEBIND")
        try bind(socket.number, address)
        try check("listen \(address)") { Glibc.listen(socket.number, backlog) }
        return socket
    }

    /// Begins a TCP connection; it is established when the socket becomes writable and ``error(_:)`` is 0.
    ///
    /// - Parameter speaksFirst: we send as soon as it is established: the handshake's last segment is then the first with
    ///   bytes, and the server hears of nothing before it.
    package static func connect(
        _ address: SocketAddress, from source: IPAddress? = nil, speaksFirst: Bool = false
    ) throws(Errno) -> FileDescriptor {
        let family = address.address.family == .ipv4 ? AF_INET : AF_INET6
        let socket = FileDescriptor(
            owning: try check("socket") { Glibc.socket(family, Int32(CL_SOCK_STREAM) | flags, 0) })
        try set(socket.number, Int32(IPPROTO_TCP), TCP_NODELAY, 1, "TCP_NODELAY")
        try setUrgentInline(socket.number)
        if speaksFirst { try set(socket.number, Int32(IPPROTO_TCP), TCP_QUICKACK, 0, "TCP_QUICKACK") }
        if let source {
            try set(socket.number, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT")
            try bind(socket.number, SocketAddress(source, port: 0))
        }
        var (storage, length) = address.storage
        // Sound: the address lives on the stack for the duration of the call.
        let result = unsafe cl_connect(socket.number, &storage, length)
        if result != 0, cl_errno() != EINPROGRESS { throw .last("connect \(address)") }
        return socket
    }

    /// Gives a socket its local address; port 0 lets the kernel choose.
    package static func bind(_ number: Int32, _ address: SocketAddress) throws(Errno) {
        var (storage, length) = address.storage
        // Sound: the address lives on the stack for the duration of the call.
        try check("bind \(address)") { unsafe cl_bind(number, &storage, length) }
    }

    /// Lets a socket send and receive on one interface only.
    package static func bind(_ number: Int32, toDevice name: String) throws(Errno) {
        let octets = Array(name.utf8)
        // Sound: the name is lent with its length for the duration of the call.
        try check("setsockopt SO_BINDTODEVICE \(name)") {
            unsafe setsockopt(number, SOL_SOCKET, SO_BINDTODEVICE, octets, socklen_t(octets.count))
        }
    }

    /// Takes one connection off a listener's queue; `nil` when there is none.
    package static func accept(_ number: Int32) throws(Errno) -> Accepted? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        while true {
            // Sound: storage and length live on the stack for the duration of the call.
            let accepted = unsafe cl_accept4(number, &storage, &length, flags)
            if accepted >= 0 {
                return Accepted(socket: FileDescriptor(owning: accepted), address: SocketAddress(storage))
            }
            switch cl_errno() {
            case EINTR, ECONNABORTED: continue
            case EAGAIN: return nil
            default: throw .last("accept")
            }
        }
    }

    /// Sets an integer option; `name` is for the error.
    package static func set(_ number: Int32, _ level: Int32, _ option: Int32, _ value: Int32, _ name: String)
        throws(Errno)
    {
        var value = value
        // Sound: the value lives on the stack for the duration of the call.
        try check("setsockopt \(name)") {
            unsafe setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// Small packets are sent at once: an MQTT PINGREQ has two bytes.
    package static func setNoDelay(_ number: Int32) throws(Errno) {
        try set(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1, "TCP_NODELAY")
    }

    /// Urgent bytes are bytes of the stream like all others. As the kernel has it by default, they are left out of what is received
    /// and counted all the same: a successor would believe that bytes were read which nobody has (``TCPCursor/received(_:)``).
    private static func setUrgentInline(_ number: Int32) throws(Errno) {
        try set(number, SOL_SOCKET, SO_OOBINLINE, 1, "SO_OOBINLINE")
    }

    /// Whether something waits to be received.
    package static func hasBytes(_ number: Int32) -> Bool {
        var waiting: Int32 = 0
        // Sound: the number lives on the stack for the duration of the call.
        return unsafe cl_ioctl(number, UInt(CL_FIONREAD), &waiting) == 0 && waiting > 0
    }

    /// Lets the kernel find out that a silent peer is gone: probes after 60 s of silence, four at 15 s.
    package static func setKeepAlive(_ number: Int32) {
        // A socket that refuses is one that is gone; reading it will tell.
        for (level, option, value) in [
            (SOL_SOCKET, SO_KEEPALIVE, Int32(1)), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60),
            (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15), (Int32(IPPROTO_TCP), TCP_KEEPCNT, 4),
        ] {
            try? set(number, level, option, value, "keep-alive")
        }
    }

    /// Ends our side of the stream.
    package static func shutdownWrite(_ number: Int32) { _ = shutdown(number, Int32(CL_SHUT_WR)) }

    /// When the socket closes its peer hears a reset, and what it was not given by then is forgotten (SO_LINGER of no time; socket(7)).
    package static func resetOnClose(_ number: Int32) {
        var value = linger(l_onoff: 1, l_linger: 0)
        // Sound: the value lives on the stack for the duration of the call. A socket that refuses is one that is gone.
        _ = unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
    }

    /// How long a blocking receive waits before it says that nothing came.
    package static func setReceiveTimeout(_ number: Int32, seconds: Int32) throws(Errno) {
        var limit = timeval(tv_sec: Int(seconds), tv_usec: 0)
        // Sound: the value lives on the stack for the duration of the call.
        try check("setsockopt SO_RCVTIMEO") {
            unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// The pending error of a socket (`SO_ERROR`), which reading clears; 0 when there is none.
    package static func error(_ number: Int32) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // Sound: value and length live on the stack for the duration of the call.
        return unsafe getsockopt(number, SOL_SOCKET, SO_ERROR, &value, &length) == 0 ? value : cl_errno()
    }

    /// Whether a number is an open socket.
    package static func isSocket(_ number: Int32) -> Bool {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // Sound: value and length live on the stack for the duration of the call.
        return unsafe getsockopt(number, SOL_SOCKET, SO_TYPE, &value, &length) == 0
    }

    /// The local address of a socket.
    package static func localAddress(_ number: Int32) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // Sound: storage and length live on the stack for the duration of the call.
        guard unsafe cl_getsockname(number, &storage, &length) == 0 else { return nil }
        return SocketAddress(storage)
    }

    /// A connected pair of Unix sockets that keep message boundaries.
    package static func messagePair() throws(Errno) -> Pair {
        var pair: (Int32, Int32) = (-1, -1)
        // Sound: the tuple has room for the two numbers the call writes.
        try check("socketpair") {
            unsafe withUnsafeMutableBytes(of: &pair) { bytes in
                unsafe socketpair(
                    AF_UNIX, Int32(CL_SOCK_SEQPACKET) | flags, 0, bytes.assumingMemoryBound(to: Int32.self).baseAddress)
            }
        }
        return Pair(first: FileDescriptor(owning: pair.0), second: FileDescriptor(owning: pair.1))
    }
}
