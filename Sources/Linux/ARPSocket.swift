// A socket that asks by ARP who holds an address, and hears the answers.

import CLinux
import Glibc
import Wire

/// Sends and receives ARP on one interface (packet(7)). Never blocks.
///
/// Kept for the life of its owner and moved between interfaces: closing a packet socket makes the kernel wait for all its
/// processors (20 to 30 ms).
package final class ARPSocket {
    /// ETH_P_ARP.
    private static let etherType: UInt16 = 0x0806
    /// PACKET_OUTGOING: a frame of this host, seen on its way out.
    private static let outgoing: UInt8 = 4
    private static let frameLimit = 128

    private let socket: FileDescriptor
    private var index: UInt32
    private var buffer = [UInt8](repeating: 0, count: ARPSocket.frameLimit)

    /// The descriptor to wait on, valid as long as the socket.
    package var number: Int32 { socket.number }

    package init(on index: UInt32) throws(Errno) {
        // Protocol 0 receives nothing before the interface is chosen.
        let type = Int32(CL_SOCK_RAW | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)
        socket = FileDescriptor(owning: try check("socket AF_PACKET") { Glibc.socket(AF_PACKET, type, 0) })
        self.index = index
        try bind(to: index)
    }

    /// Works on another interface from now on. Where the kernel refuses, the next call tries again.
    package func move(to index: UInt32) throws(Errno) {
        guard index != self.index else { return }
        try bind(to: index)
        self.index = index
    }

    private func bind(to index: UInt32) throws(Errno) {
        var address = Self.address(on: index)
        // Sound: the address lives on the stack for the duration of the call.
        try check("bind AF_PACKET") {
            unsafe cl_bind(socket.number, &address, socklen_t(MemoryLayout<sockaddr_ll>.size))
        }
    }

    private static func address(on index: UInt32) -> sockaddr_ll {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_ifindex = Int32(bitPattern: index)
        address.sll_protocol = etherType.bigEndian
        return address
    }

    /// - Throws: `Errno`, such as `ENETDOWN`.
    package func send(_ message: ARPMessage) throws(Errno) {
        let frame = message.frame
        var address = Self.address(on: index)
        let length = socklen_t(MemoryLayout<sockaddr_ll>.size)
        // Sound: frame and address are lent with their sizes for the duration of the call.
        try check("send ARP") {
            unsafe cl_sendto(socket.number, frame, frame.count, Int32(MSG_DONTWAIT), &address, length)
        }
    }

    /// Calls `body` with the packets of others that are here, of at most `limit` frames; a readable descriptor says there
    /// is more.
    package func drain(limit: Int = 64, _ body: (ARPMessage) -> Void) throws(Errno) {
        for _ in 0..<limit {
            var from = sockaddr_ll()
            var length = socklen_t(MemoryLayout<sockaddr_ll>.size)
            let count: Int
            do throws(Errno) {
                // Sound: buffer and address are lent with their sizes for the duration of the call.
                count = try check("receive ARP") {
                    unsafe buffer.withUnsafeMutableBytes { bytes in
                        unsafe cl_recvfrom(
                            socket.number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT), &from, &length)
                    }
                }
            } catch {
                if error.isWouldBlock { return }
                throw error
            }
            guard from.sll_pkttype != Self.outgoing, let message = ARPMessage(frame: Array(buffer[..<count])) else {
                continue
            }
            body(message)
        }
    }
}
