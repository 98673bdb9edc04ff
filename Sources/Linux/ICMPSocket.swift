// A raw socket for echo and neighbour discovery on one interface.

import CLinux
import Glibc
package import Wire

/// Sends ICMP messages and receives the few kinds ``ICMPMessage`` knows; the kernel drops the others. Never blocks.
package final class ICMPSocket {
    /// ICMP_FILTER and ICMP6_FILTER: both are 1.
    private static let filterOption: Int32 = 1
    /// SOL_RAW.
    private static let rawLevel: Int32 = 255
    private static let packetLimit = 1500

    package let family: AddressFamily
    private let socket: FileDescriptor
    private let index: UInt32
    private var buffer = [UInt8](repeating: 0, count: ICMPSocket.packetLimit)

    /// The descriptor to wait on, valid as long as the socket.
    package var number: Int32 { socket.number }

    package init(family: AddressFamily, interface: Interface) throws(Errno) {
        self.family = family
        index = interface.index
        let type = Int32(CL_SOCK_RAW | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)
        let number = Int32(family == .ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
        socket = FileDescriptor(
            owning: try check("socket ICMP") { Glibc.socket(family == .ipv4 ? AF_INET : AF_INET6, type, number) })
        try filter()
        try Socket.bind(socket.number, toDevice: interface.name)
        guard family == .ipv6 else { return }
        let level = Int32(IPPROTO_IPV6)
        try Socket.set(socket.number, level, IPV6_UNICAST_HOPS, 255, "IPV6_UNICAST_HOPS")
        try Socket.set(socket.number, level, IPV6_MULTICAST_HOPS, 255, "IPV6_MULTICAST_HOPS")
        try Socket.set(socket.number, level, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP")
        try Socket.set(socket.number, level, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
        try Socket.set(socket.number, level, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT")
        try Socket.set(
            socket.number, level, IPV6_MULTICAST_IF, Int32(bitPattern: interface.index), "IPV6_MULTICAST_IF")
    }

    /// A bit that is set keeps a type away (raw(7), RFC 3542, 3.2).
    private func filter() throws(Errno) {
        var masks = [UInt32](repeating: .max, count: family == .ipv4 ? 1 : 8)
        for type in family == .ipv4 ? [0] : [129, 136] { masks[type / 32] &= ~(1 << UInt32(type % 32)) }
        let level = family == .ipv4 ? Self.rawLevel : Int32(IPPROTO_ICMPV6)
        // Sound: the masks are lent with their size for the duration of the call.
        try check("setsockopt ICMP filter") {
            unsafe setsockopt(socket.number, level, Self.filterOption, masks, socklen_t(masks.count * 4))
        }
    }

    /// Sends a message from one of our own addresses.
    package func send(_ message: [UInt8], from source: IPAddress, to destination: IPAddress) throws(Errno) {
        let scope = destination.isLinkLocal || destination.isMulticast ? index : 0
        var (storage, length) = SocketAddress(destination, port: 0, scope: scope).storage
        let octets = source.octets
        // Sound: message, address and source are lent with their lengths for the duration of the call.
        try check("send ICMP to \(destination)") {
            unsafe cl_send_from(socket.number, message, message.count, &storage, length, octets, octets.count)
        }
    }

    /// Calls `body` with the messages that are here and who sent them, of at most `limit` packets.
    package func drain(limit: Int = 64, _ body: (ICMPMessage, IPAddress) -> Void) throws(Errno) {
        for _ in 0..<limit {
            do throws(Errno) {
                guard let (message, source) = try family == .ipv4 ? receiveV4() : receiveV6() else { continue }
                body(message, source)
            } catch {
                if error.isWouldBlock { return }
                throw error
            }
        }
    }

    private func receiveV4() throws(Errno) -> (ICMPMessage, IPAddress)? {
        // Sound: the buffer is lent with its size for the duration of the call.
        let count = try check("receive ICMP") {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe cl_recvfrom(socket.number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT), nil, nil)
            }
        }
        guard let packet = AdvertisementSocket.packet(fromIPv4: buffer[..<count]),
            let message = ICMPMessage(packet.payload, family: .ipv4, hopLimit: packet.hopLimit)
        else { return nil }
        return (message, packet.source)
    }

    private func receiveV6() throws(Errno) -> (ICMPMessage, IPAddress)? {
        var from = sockaddr_storage()
        var destination = [UInt8](repeating: 0, count: 16)
        var hops: Int32 = -1
        // Sound: everything is lent with its size for the duration of the call.
        let count = try check("receive ICMPv6") {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe cl_receive_v6(socket.number, bytes.baseAddress, bytes.count, &from, &destination, &hops)
            }
        }
        guard let source = SocketAddress(from), let hopLimit = UInt8(exactly: hops),
            let message = ICMPMessage(Array(buffer[..<count]), family: .ipv6, hopLimit: hopLimit)
        else { return nil }
        return (message, source.address)
    }
}
