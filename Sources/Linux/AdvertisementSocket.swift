// The raw socket that carries VRRP advertisements: IP protocol 112, on one interface, in one family.

import CLinux
import Glibc
package import Wire

/// Sends and receives the payload of IP protocol 112 on one interface (RFC 9568, 5.1).
///
/// What is sent has TTL or hop limit 255 and traffic class 0xC0 and is not looped back; what is received comes with
/// everything a virtual router has to judge: source, destination, TTL. The socket never blocks.
package final class AdvertisementSocket {
    /// One received packet.
    package struct Packet: Hashable, Sendable {
        /// What follows the IP header.
        package var payload: [UInt8]
        package var source: IPAddress
        /// Our own address, or the group.
        package var destination: IPAddress
        /// TTL or hop limit as it arrived.
        package var hopLimit: UInt8
    }

    /// 224.0.0.18 (RFC 9568, 5.1.1.2).
    package static let groupV4 = IPAddress.v4(IPv4Address(224, 0, 0, 18))
    /// ff02::12 (RFC 9568, 5.1.2.2).
    package static let groupV6 = IPAddress.v6(IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x12))
    /// IP protocol number of VRRP.
    package static let ipProtocol: Int32 = 112
    /// Longer packets are cut: more than the 255 IPv6 addresses, header and trailer an advertisement can have.
    package static let packetLimit = 8192

    package let family: AddressFamily
    private let socket: FileDescriptor
    private let index: UInt32
    private var buffer: [UInt8]

    /// The descriptor to wait on, valid as long as the socket.
    package var number: Int32 { socket.number }

    /// A socket on one interface that receives unicast, and with `joinsGroup` also multicast.
    package init(family: AddressFamily, interface: Interface, joinsGroup: Bool) throws(Errno) {
        socket = try Self.open(family, interface, joinsGroup)
        self.family = family
        index = interface.index
        buffer = [UInt8](repeating: 0, count: Self.packetLimit)
    }

    private static func open(
        _ family: AddressFamily, _ interface: Interface, _ joinsGroup: Bool
    ) throws(Errno) -> FileDescriptor {
        let type = Int32(CL_SOCK_RAW | CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let socket = FileDescriptor(
            owning: try check("socket protocol 112") { Glibc.socket(domain, type, ipProtocol) })
        try Socket.bind(socket.number, toDevice: interface.name)
        switch family {
        case .ipv4: try prepareV4(socket.number, interface.index, joinsGroup)
        case .ipv6: try prepareV6(socket.number, interface.index, joinsGroup)
        }
        return socket
    }

    private static func prepareV4(_ number: Int32, _ index: UInt32, _ joinsGroup: Bool) throws(Errno) {
        let level = Int32(IPPROTO_IP)
        try Socket.set(number, level, IP_TTL, 255, "IP_TTL")
        try Socket.set(number, level, IP_MULTICAST_TTL, 255, "IP_MULTICAST_TTL")
        try Socket.set(number, level, IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP")
        try Socket.set(number, level, IP_MULTICAST_ALL, 0, "IP_MULTICAST_ALL")
        try Socket.set(number, level, IP_TOS, 0xC0, "IP_TOS")
        // Without the don't-fragment bit, as keepalived sends.
        try Socket.set(number, level, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER")
        guard joinsGroup, case .v4(let group) = groupV4 else { return }
        var request = ip_mreqn(
            imr_multiaddr: in_addr(s_addr: group.value.bigEndian), imr_address: in_addr(s_addr: 0),
            imr_ifindex: Int32(bitPattern: index))
        let size = socklen_t(MemoryLayout<ip_mreqn>.size)
        // Sound: the request lives on the stack for the duration of each call.
        try check("setsockopt IP_ADD_MEMBERSHIP") {
            unsafe setsockopt(number, level, IP_ADD_MEMBERSHIP, &request, size)
        }
        try check("setsockopt IP_MULTICAST_IF") { unsafe setsockopt(number, level, IP_MULTICAST_IF, &request, size) }
    }

    private static func prepareV6(_ number: Int32, _ index: UInt32, _ joinsGroup: Bool) throws(Errno) {
        let level = Int32(IPPROTO_IPV6)
        try Socket.set(number, level, IPV6_UNICAST_HOPS, 255, "IPV6_UNICAST_HOPS")
        try Socket.set(number, level, IPV6_MULTICAST_HOPS, 255, "IPV6_MULTICAST_HOPS")
        try Socket.set(number, level, IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP")
        try Socket.set(number, level, IPV6_TCLASS, 0xC0, "IPV6_TCLASS")
        try Socket.set(number, level, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")
        try Socket.set(number, level, IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT")
        try Socket.set(number, level, IPV6_MULTICAST_IF, Int32(bitPattern: index), "IPV6_MULTICAST_IF")
        guard joinsGroup else { return }
        var request = ipv6_mreq()
        // Sound: an in6_addr has room for the 16 octets.
        unsafe withUnsafeMutableBytes(of: &request.ipv6mr_multiaddr) { unsafe $0.copyBytes(from: groupV6.octets) }
        request.ipv6mr_interface = index
        // Sound: the request lives on the stack for the duration of the call.
        try check("setsockopt IPV6_ADD_MEMBERSHIP") {
            unsafe setsockopt(number, level, IPV6_ADD_MEMBERSHIP, &request, socklen_t(MemoryLayout<ipv6_mreq>.size))
        }
    }

    // MARK: Sending

    /// Sends one packet from one of our own addresses.
    ///
    /// - Throws: `Errno`; with `isWouldBlock` when the interface takes nothing now.
    package func send(_ payload: [UInt8], from source: IPAddress, to destination: IPAddress) throws(Errno) {
        // A link-local or multicast destination of IPv6 needs its interface.
        let scope: UInt32 = destination.family == .ipv6 ? index : 0
        var (storage, length) = SocketAddress(destination, port: 0, scope: scope).storage
        let octets = source.octets
        // Sound: payload, address and source are lent with their lengths for the duration of the call.
        try check("send advertisement to \(destination)") {
            unsafe cl_send_from(number, payload, payload.count, &storage, length, octets, octets.count)
        }
    }

    // MARK: Receiving

    /// Calls `body` with the packets that are here, at most `limit`; a readable descriptor says there is more.
    ///
    /// Returns how many came whose IP header makes no sense; they are thrown away.
    @discardableResult
    package func drain(limit: Int = 32, _ body: (Packet) -> Void) throws(Errno) -> Int {
        var senseless = 0
        for _ in 0..<limit {
            do throws(Errno) {
                if let packet = try family == .ipv4 ? receiveV4() : receiveV6() { body(packet) } else { senseless += 1 }
            } catch {
                if error.isWouldBlock { return senseless }
                throw error
            }
        }
        return senseless
    }

    /// Raw IPv4 sockets deliver the whole packet (raw(7)).
    private func receiveV4() throws(Errno) -> Packet? {
        // Sound: the buffer is lent with its size for the duration of the call.
        let count = try check("receive advertisement") {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe cl_recvfrom(socket.number, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT), nil, nil)
            }
        }
        return Self.packet(fromIPv4: buffer[..<count])
    }

    /// Takes an IPv4 packet apart (RFC 791, 3.1); `nil` when its lengths do not fit.
    package static func packet(fromIPv4 bytes: ArraySlice<UInt8>) -> Packet? {
        let start = bytes.startIndex
        guard bytes.count >= 20, bytes[start] >> 4 == 4 else { return nil }
        let headerLength = Int(bytes[start] & 15) * 4
        guard headerLength >= 20, headerLength <= bytes.count else { return nil }
        func address(_ offset: Int) -> IPAddress {
            let at = start + offset
            return .v4(IPv4Address(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]))
        }
        return Packet(
            payload: Array(bytes.dropFirst(headerLength)), source: address(12), destination: address(16),
            hopLimit: bytes[start + 8])
    }

    private func receiveV6() throws(Errno) -> Packet? {
        var from = sockaddr_storage()
        var destination = [UInt8](repeating: 0, count: 16)
        var hops: Int32 = -1
        // Sound: everything is lent with its size for the duration of the call.
        let count = try check("receive advertisement") {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe cl_receive_v6(socket.number, bytes.baseAddress, bytes.count, &from, &destination, &hops)
            }
        }
        guard let source = SocketAddress(from), let hopLimit = UInt8(exactly: hops) else { return nil }
        return Packet(
            payload: Array(buffer[..<count]), source: source.address,
            destination: .v6(IPv6Address(octets: destination)), hopLimit: hopLimit)
    }
}
