// The kernel's own news about interfaces and addresses.

import CNetlink
import Glibc

/// What the kernel tells about interfaces and addresses, whoever changed them.
package enum NetlinkNews: Hashable, Sendable {
    /// An interface is new or changed.
    case interface(Interface)
    case interfaceRemoved(index: UInt32)
    /// An address is new or changed.
    case address(InterfaceAddress)
    case addressRemoved(InterfaceAddress)
    /// News were lost or unreadable: look at everything again.
    case lost
}

/// Receives the kernel's news about interfaces and addresses (rtnetlink(7), groups link, ipv4-ifaddr, ipv6-ifaddr).
package final class NetlinkMonitor {
    /// Room for news that were not read yet, in octets: more than a thousand changes.
    package static let defaultReceiveBuffer: Int32 = 1_048_576

    private let socket: NetlinkSocket
    /// How often news were lost because we were too slow, or could not be read.
    package private(set) var lostCount = 0

    /// Joins the groups; what happens from now on is news, what is there already is ``Netlink``'s to say.
    package init(receiveBuffer: Int32 = NetlinkMonitor.defaultReceiveBuffer) throws(Errno) {
        socket = try NetlinkSocket()
        // Beyond the system's limit, where CAP_NET_ADMIN allows it.
        do throws(Errno) {
            try Socket.set(socket.number, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer, "SO_RCVBUFFORCE")
        } catch {
            try Socket.set(socket.number, SOL_SOCKET, SO_RCVBUF, receiveBuffer, "SO_RCVBUF")
        }
        try Descriptor.setNonBlocking(socket.number)
        try socket.join(RTNLGRP_LINK, "link")
        try socket.join(RTNLGRP_IPV4_IFADDR, "ipv4-ifaddr")
        try socket.join(RTNLGRP_IPV6_IFADDR, "ipv6-ifaddr")
    }

    /// The descriptor to wait on, valid as long as the monitor.
    package var number: Int32 { socket.number }

    /// Calls `body` with the news that are here, of at most `limit` datagrams; a readable descriptor says there is more.
    ///
    /// - Throws: what the kernel refuses; lost news are not an error but ``NetlinkNews/lost``.
    package func drain(limit: Int = 64, _ body: (NetlinkNews) -> Void) throws(Errno) {
        for _ in 0..<limit {
            do throws(Errno) {
                guard let datagram = try socket.receive() else { return }
                for message in try parse(datagram) { report(message.body, body) }
            } catch {
                // ENOBUFS: the kernel dropped news because nobody read them in time.
                guard error.code == ENOBUFS || error.code == EBADMSG || error.code == EMSGSIZE else { throw error }
                lostCount += 1
                body(.lost)
            }
        }
    }

    private func parse(_ datagram: ArraySlice<UInt8>) throws(Errno) -> [NetlinkMessage] {
        do throws(NetlinkMessage.Malformed) {
            return try NetlinkMessage.parse(datagram.span)
        } catch {
            throw Errno(EBADMSG, "netlink news")
        }
    }

    private func report(_ message: NetlinkMessage.Body, _ body: (NetlinkNews) -> Void) {
        switch message {
        case .interface(let interface): body(.interface(interface))
        case .interfaceRemoved(let index): body(.interfaceRemoved(index: index))
        case .address(let address): body(.address(address))
        case .addressRemoved(let address): body(.addressRemoved(address))
        case .acknowledgement, .done, .other: break
        }
    }
}
