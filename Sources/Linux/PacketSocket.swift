// A socket that sends whole Ethernet frames.

import CLinux
import Glibc

/// Sends whole Ethernet frames on any interface (packet(7)), and receives none.
///
/// Closing one makes the kernel wait for all its processors (20 to 30 ms), so it is opened once and kept.
package struct PacketSocket: ~Copyable {
    private let socket: FileDescriptor

    package init() throws(Errno) {
        // Protocol 0: the kernel queues nothing for us.
        let type = Int32(CL_SOCK_RAW | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)
        socket = FileDescriptor(owning: try check("socket AF_PACKET") { Glibc.socket(AF_PACKET, type, 0) })
    }

    /// Sends one frame, Ethernet header included.
    ///
    /// - Throws: `Errno`, such as `ENETDOWN`.
    package func send(_ frame: [UInt8], on index: UInt32) throws(Errno) {
        precondition(frame.count >= 14, "a frame without an Ethernet header")
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_ifindex = Int32(bitPattern: index)
        address.sll_protocol = (UInt16(frame[12]) << 8 | UInt16(frame[13])).bigEndian
        let flags = Int32(MSG_DONTWAIT)
        let length = socklen_t(MemoryLayout<sockaddr_ll>.size)
        // Sound: frame and address are lent with their sizes for the duration of the call.
        try check("send frame") { unsafe cl_sendto(socket.number, frame, frame.count, flags, &address, length) }
    }
}
