// Asks the kernel for interfaces and addresses, and has it add and remove addresses.

import CNetlink
import Glibc
package import Wire

/// Requests to the kernel's routing tables (rtnetlink(7)), answered before they return.
///
/// The kernel works on a request inside our call, so its answer is there when the call returns; ``answerLimit`` bounds
/// the wait for an answer that never comes.
package final class Netlink {
    /// How long an answer may take, in seconds.
    package static let answerLimit: Int32 = 1
    /// How often a dump disturbed by changes is repeated.
    package static let dumpAttempts = 5

    private let socket: NetlinkSocket

    package init() throws(Errno) {
        socket = try NetlinkSocket()
        try Socket.setReceiveTimeout(socket.number, seconds: Self.answerLimit)
        // Lets the kernel filter a dump by interface; kernels before 4.20 send everything, and we filter anyway.
        try? Socket.set(socket.number, SOL_NETLINK, 12, 1, "NETLINK_GET_STRICT_CHK")
    }

    // MARK: Looking

    /// All interfaces of this network namespace.
    package func interfaces() throws(Errno) -> [Interface] {
        try dump("RTM_GETLINK", RTM_GETLINK) { ifinfomsg() }.compactMap { body in
            if case .interface(let interface) = body { interface } else { nil }
        }
    }

    /// The addresses the kernel shows on one interface, or on all of them.
    package func addresses(on index: UInt32? = nil) throws(Errno) -> [InterfaceAddress] {
        let bodies = try dump("RTM_GETADDR", RTM_GETADDR) {
            var header = ifaddrmsg()
            header.ifa_index = index ?? 0
            return header
        }
        return bodies.compactMap { body in
            if case .address(let address) = body, index == nil || address.index == index { address } else { nil }
        }
    }

    private func dump<Header: BitwiseCopyable>(
        _ name: String, _ type: Int, _ header: () -> Header
    ) throws(Errno) -> [NetlinkMessage.Body] {
        for _ in 0..<Self.dumpAttempts {
            guard let message = unsafe nlmsg_alloc_simple(Int32(type), NLM_F_DUMP) else {
                throw Errno(ENOMEM, "nlmsg_alloc")
            }
            var header = header()
            // Sound: the header is copied into the message during the call.
            guard unsafe nlmsg_append(message, &header, MemoryLayout<Header>.size, Int32(NLMSG_ALIGNTO)) == 0 else {
                unsafe nlmsg_free(message)
                throw Errno(ENOMEM, "nlmsg_append")
            }
            if let bodies = try answers(to: try unsafe socket.send(message, name), name) { return bodies }
        }
        throw Errno(EAGAIN, "\(name): disturbed \(Self.dumpAttempts) times")
    }

    /// What answers a request, up to its acknowledgement or the end of its dump; `nil` when the dump was disturbed.
    private func answers(to sequence: UInt32, _ what: String) throws(Errno) -> [NetlinkMessage.Body]? {
        var bodies: [NetlinkMessage.Body] = []
        var isInterrupted = false
        while true {
            guard let datagram = try socket.receive() else { throw Errno(ETIMEDOUT, what) }
            let messages: [NetlinkMessage]
            do throws(NetlinkMessage.Malformed) {
                messages = try NetlinkMessage.parse(datagram.span)
            } catch {
                throw Errno(EBADMSG, what)
            }
            // A late answer to a request that was given up is not ours.
            for message in messages where message.sequence == sequence {
                isInterrupted = isInterrupted || message.isInterrupted
                switch message.body {
                case .acknowledgement(let code), .done(let code):
                    if code != 0 { throw Errno(code, what) }
                    return isInterrupted ? nil : bodies
                default:
                    bodies.append(message.body)
                }
            }
        }
    }

    // MARK: Changing

    /// Puts an address on an interface for ever, marked as ours, and looks whether the kernel shows it.
    ///
    /// - Throws: the kernel's errno; `EADDRNOTAVAIL` when the kernel said yes but does not show a usable address.
    package func claim(_ prefix: IPPrefix, on index: UInt32) throws(Errno) {
        try put(AddressRequest(prefix, on: index))
        guard try isShown(prefix.address, on: index) else {
            throw Errno(EADDRNOTAVAIL, "RTM_NEWADDR \(prefix): not shown afterwards")
        }
    }

    /// Puts an address on an interface, marked as ours, or renews the lifetimes of one that is there.
    ///
    /// IPv6 addresses go without duplicate address detection: after a split both hosts would otherwise keep a dead
    /// address for ever (`reference/keepalived.md`, 2.5).
    ///
    /// - Throws: the kernel's errno. That it is shown is for the caller to read back.
    package func put(_ request: AddressRequest) throws(Errno) {
        try unsafe change(request, "RTM_NEWADDR \(request.prefix)") { address, message in
            unsafe rtnl_addr_build_add_request(address, NLM_F_CREATE | NLM_F_REPLACE, message)
        }
    }

    /// Takes an address off an interface, with whatever prefix lengths it is there, and looks whether it is gone.
    ///
    /// - Throws: the kernel's errno; `EADDRINUSE` when the kernel still shows it.
    package func release(_ address: IPAddress, on index: UInt32) throws(Errno) {
        for present in try addresses(on: index) where present.prefix.address == address {
            try unsafe change(AddressRequest(present.prefix, on: index), "RTM_DELADDR \(present.prefix)") {
                address, message in
                unsafe rtnl_addr_build_delete_request(address, 0, message)
            }
        }
        if try addresses(on: index).contains(where: { $0.prefix.address == address }) {
            throw Errno(EADDRINUSE, "RTM_DELADDR \(address): still shown")
        }
    }

    /// Whether the kernel shows the address on the interface, usable.
    package func isShown(_ address: IPAddress, on index: UInt32) throws(Errno) -> Bool {
        try addresses(on: index).contains { $0.prefix.address == address && $0.isUsable }
    }

    private func change(
        _ request: AddressRequest, _ what: String,
        build: (OpaquePointer, UnsafeMutablePointer<OpaquePointer?>) -> Int32
    ) throws(Errno) {
        // Sound: every object of libnl made here is used and given back within this function; `nl_addr_build`,
        // `rtnl_addr_set_label` and `nla_put_u8` copy what they are given.
        guard let address = unsafe rtnl_addr_alloc() else { throw Errno(ENOMEM, "rtnl_addr_alloc") }
        defer { unsafe rtnl_addr_put(address) }
        let prefix = request.prefix
        let family = prefix.address.family == .ipv4 ? AF_INET : AF_INET6
        var octets = prefix.address.octets
        guard let local = unsafe nl_addr_build(family, &octets, octets.count) else {
            throw Errno(ENOMEM, "nl_addr_build")
        }
        defer { unsafe nl_addr_put(local) }
        unsafe nl_addr_set_prefixlen(local, Int32(prefix.length))
        unsafe rtnl_addr_set_ifindex(address, Int32(bitPattern: request.index))
        unsafe rtnl_addr_set_local(address, local)
        if let label = request.label, family == AF_INET {
            guard unsafe rtnl_addr_set_label(address, label) == 0 else { throw Errno(ERANGE, "rtnl_addr_set_label") }
        }
        if request.validLifetime != nil || request.preferredLifetime != nil {
            unsafe rtnl_addr_set_valid_lifetime(address, request.validLifetime ?? .max)
            unsafe rtnl_addr_set_preferred_lifetime(
                address, request.preferredLifetime ?? request.validLifetime ?? .max)
        }
        if family == AF_INET6 {
            let route = request.addsPrefixRoute ? 0 : IFA_F_NOPREFIXROUTE
            unsafe rtnl_addr_set_flags(address, UInt32(IFA_F_NODAD | route))
        }
        var message: OpaquePointer?
        guard unsafe build(address, &message) == 0, let message = unsafe message else {
            throw Errno(EINVAL, "build \(what)")
        }
        // libnl 3.7 does not know IFA_PROTO; the kernel ignores it where it does not either.
        guard unsafe nla_put_u8(message, Int32(IFA_PROTO), InterfaceAddress.ownProtocol) == 0 else {
            unsafe nlmsg_free(message)
            throw Errno(ENOMEM, "nla_put \(what)")
        }
        do throws(Errno) {
            _ = try answers(to: try unsafe socket.send(message, what), what)
        } catch {
            // Gone already: the look that follows decides.
            if error.code != EADDRNOTAVAIL { throw error }
        }
    }
}
