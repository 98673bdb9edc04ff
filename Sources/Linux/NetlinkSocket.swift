// A libnl socket: owned, sent on, and read with the sender checked.

import CLinux
import CNetlink
import Glibc

/// Owns one rtnetlink socket of libnl.
@safe
final class NetlinkSocket {
    // Sound: made by nl_socket_alloc and freed exactly once, in deinit; used by one thread at a time, as this class is
    // not Sendable.
    private let handle: OpaquePointer

    /// The largest datagram the kernel sends for a dump is 32 KiB.
    private static let datagramLimit = 65_536
    private var buffer: [UInt8]

    /// A connected socket.
    init() throws(Errno) {
        guard let handle = unsafe nl_socket_alloc() else { throw Errno(ENOMEM, "nl_socket_alloc") }
        // libnl's own error codes are coarser than errno, which its failing system call has just set.
        guard unsafe nl_connect(handle, NETLINK_ROUTE) == 0 else {
            let errno = Errno.last("netlink socket")
            unsafe nl_socket_free(handle)
            throw errno
        }
        unsafe self.handle = handle
        buffer = [UInt8](repeating: 0, count: Self.datagramLimit)
    }

    deinit { unsafe nl_socket_free(handle) }

    /// The descriptor, valid as long as the socket.
    var number: Int32 { unsafe nl_socket_get_fd(handle) }

    /// Joins a group of news (`RTNLGRP_*`).
    func join(_ group: rtnetlink_groups, _ name: String) throws(Errno) {
        try Socket.set(
            number, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, Int32(group.rawValue), "NETLINK_ADD_MEMBERSHIP \(name)")
    }

    /// Sends a message built by libnl, which fills in sequence number and port and asks for an acknowledgement; the
    /// message is freed. Returns the sequence number.
    @unsafe
    func send(_ message: OpaquePointer, _ what: String) throws(Errno) -> UInt32 {
        defer { unsafe nlmsg_free(message) }
        // Sound: the caller hands over a live message; nobody else uses it.
        guard unsafe nl_send_auto(handle, message) >= 0 else { throw .last("netlink send \(what)") }
        return unsafe nlmsg_hdr(message).pointee.nlmsg_seq
    }

    /// Receives one datagram of the kernel; `nil` when none is there (or none came within the socket's time limit).
    /// What other processes send to our port is thrown away.
    ///
    /// - Throws: `ENOBUFS` when the kernel had to drop news.
    func receive() throws(Errno) -> ArraySlice<UInt8>? {
        while true {
            var sender = sockaddr_nl()
            var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
            // Sound: buffer and sender are lent with their sizes for the duration of the call.
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe cl_recvfrom(number, bytes.baseAddress, bytes.count, Int32(MSG_TRUNC), &sender, &length)
            }
            if count < 0 {
                let error = Errno.last("netlink receive")
                if error.code == EINTR { continue }
                if error.isWouldBlock { return nil }
                throw error
            }
            // Port 0 is the kernel (keepalived before 2.4.0 believed anybody).
            guard sender.nl_pid == 0 else { continue }
            guard count <= buffer.count else { throw Errno(EMSGSIZE, "netlink receive") }
            return buffer[..<count]
        }
    }
}
