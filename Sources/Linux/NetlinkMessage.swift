// Parses what the kernel says over rtnetlink: links, addresses, acknowledgements.

import CNetlink
import Glibc
import Wire

/// One rtnetlink message, as far as it concerns us (rtnetlink(7)).
///
/// libnl builds and sends our requests; what comes back is parsed here, because libnl's receiving half turns the
/// kernel's errno into a code of its own, hides the sender, and keeps caches behind callbacks — and because a pure,
/// bounds-checked function over bytes can be tested and fuzzed without a kernel.
package struct NetlinkMessage: Hashable, Sendable {
    /// What the message says.
    package enum Body: Hashable, Sendable {
        case interface(Interface)
        case interfaceRemoved(index: UInt32)
        case address(InterfaceAddress)
        case addressRemoved(InterfaceAddress)
        /// The answer to a request: 0 when it was done, otherwise an errno.
        case acknowledgement(Int32)
        /// The end of a dump: 0, or the errno that cut it short.
        case done(Int32)
        /// Something that does not concern us, by message type.
        case other(UInt16)
    }

    /// The bytes are not what rtnetlink(7) describes.
    package struct Malformed: Error, Hashable, Sendable { package init() {} }

    /// The number of the request this answers; 0 for news.
    package var sequence: UInt32
    /// The dump was disturbed by a change and must be repeated (`NLM_F_DUMP_INTR`).
    package var isInterrupted: Bool
    package var body: Body

    /// All messages of one datagram, in order.
    ///
    /// - Throws: ``Malformed`` when a length does not fit; nothing of the datagram is to be believed then.
    package static func parse(_ datagram: Span<UInt8>) throws(Malformed) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var offset = 0
        while offset < datagram.count {
            guard datagram.count - offset >= headerSize else { throw Malformed() }
            let length = Int(try native(datagram, offset, as: UInt32.self))
            guard length >= headerSize, length <= datagram.count - offset else { throw Malformed() }
            let type = try native(datagram, offset + 4, as: UInt16.self)
            let payload = datagram.extracting((offset + headerSize)..<(offset + length))
            messages.append(
                NetlinkMessage(
                    sequence: try native(datagram, offset + 8),
                    isInterrupted: try native(datagram, offset + 6, as: UInt16.self) & UInt16(NLM_F_DUMP_INTR) != 0,
                    body: try body(type, payload)))
            // Each message begins at a multiple of four; the last one's padding may be missing.
            offset += min((length + 3) & ~3, datagram.count - offset)
        }
        return messages
    }

    /// `struct nlmsghdr`: length (4), type (2), flags (2), sequence (4), port (4).
    private static let headerSize = 16

    private static func body(_ type: UInt16, _ payload: Span<UInt8>) throws(Malformed) -> Body {
        switch Int(type) {
        case Int(NLMSG_ERROR):
            return .acknowledgement(0 &- Int32(bitPattern: try native(payload, 0)))
        case Int(NLMSG_DONE):
            return .done(payload.count >= 4 ? 0 &- Int32(bitPattern: try native(payload, 0)) : 0)
        case RTM_NEWLINK, RTM_DELLINK:
            // `struct ifinfomsg`: family (1), padding (1), device type (2), index (4), flags (4), change (4).
            // Bridges send news about their ports in the same words but with their own family.
            guard try native(payload, 0, as: UInt8.self) == 0 else { return .other(type) }
            let index = try native(payload, 4, as: UInt32.self)
            return Int(type) == RTM_DELLINK
                ? .interfaceRemoved(index: index) : .interface(try interface(payload, index))
        case RTM_NEWADDR, RTM_DELADDR:
            guard let address = try address(payload) else { return .other(type) }
            return Int(type) == RTM_NEWADDR ? .address(address) : .addressRemoved(address)
        default:
            return .other(type)
        }
    }

    private static func interface(_ payload: Span<UInt8>, _ index: UInt32) throws(Malformed) -> Interface {
        let flags = try native(payload, 8, as: UInt32.self)
        var interface = Interface(
            index: index, name: "", isUp: flags & 0x1 != 0, isRunning: flags & 0x40 != 0, mac: nil, mtu: 0)
        try attributes(payload, from: 16) { type, value throws(Malformed) in
            switch Int(type) {
            case Int(IFLA_IFNAME):
                interface.name = String(decoding: octets(value).prefix { $0 != 0 }, as: UTF8.self)
            case Int(IFLA_MTU):
                interface.mtu = try native(value, 0)
            case Int(IFLA_ADDRESS) where value.count == 6:
                interface.mac = MACAddress(octets(value).reduce(0) { $0 << 8 | UInt64($1) })
            default:
                break
            }
        }
        return interface
    }

    /// `nil` for other families than IPv4 and IPv6.
    private static func address(_ payload: Span<UInt8>) throws(Malformed) -> InterfaceAddress? {
        // `struct ifaddrmsg`: family (1), prefix length (1), flags (1), scope (1), index (4).
        let family = Int32(try native(payload, 0, as: UInt8.self))
        let bits = Int(try native(payload, 1, as: UInt8.self))
        let index = try native(payload, 4, as: UInt32.self)
        guard family == AF_INET || family == AF_INET6 else { return nil }
        let octetCount = family == AF_INET ? 4 : 16
        guard bits <= octetCount * 8 else { throw Malformed() }
        var flags = UInt32(try native(payload, 2, as: UInt8.self))
        var proto: UInt8 = 0
        var local: IPAddress?
        var remote: IPAddress?
        try attributes(payload, from: 8) { type, value throws(Malformed) in
            switch Int(type) {
            case Int(IFA_LOCAL):
                local = try ipAddress(value, octetCount)
            case Int(IFA_ADDRESS):
                remote = try ipAddress(value, octetCount)
            case Int(IFA_FLAGS):
                flags = try native(value, 0)
            case Int(IFA_PROTO):
                proto = try native(value, 0)
            default:
                break
            }
        }
        // On a point-to-point link IFA_ADDRESS is the other end; where IFA_LOCAL is missing it is ours.
        guard let ours = local ?? remote else { throw Malformed() }
        return InterfaceAddress(index: index, prefix: IPPrefix(ours, length: bits), flags: flags, proto: proto)
    }

    private static func ipAddress(_ value: Span<UInt8>, _ octetCount: Int) throws(Malformed) -> IPAddress {
        guard value.count == octetCount else { throw Malformed() }
        let octets = octets(value)
        if octetCount == 16 { return .v6(IPv6Address(octets: octets)) }
        return .v4(IPv4Address(octets[0], octets[1], octets[2], octets[3]))
    }

    // MARK: Bytes

    /// Calls `body` for each attribute (`struct rtattr`: length (2), type (2), value) from `start` on.
    private static func attributes(
        _ payload: Span<UInt8>, from start: Int, _ body: (UInt16, Span<UInt8>) throws(Malformed) -> Void
    ) throws(Malformed) {
        var offset = start
        while offset < payload.count {
            guard payload.count - offset >= 4 else { throw Malformed() }
            let length = Int(try native(payload, offset, as: UInt16.self))
            guard length >= 4, length <= payload.count - offset else { throw Malformed() }
            // The two highest bits are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
            let type = try native(payload, offset + 2, as: UInt16.self) & 0x3FFF
            try body(type, payload.extracting((offset + 4)..<(offset + length)))
            offset += min((length + 3) & ~3, payload.count - offset)
        }
    }

    private static func octets(_ value: Span<UInt8>) -> [UInt8] { value.indices.map { value[$0] } }

    /// An integer in the machine's byte order, which is what netlink speaks.
    private static func native<I: FixedWidthInteger & UnsignedInteger>(
        _ bytes: Span<UInt8>, _ offset: Int, as type: I.Type = I.self
    ) throws(Malformed) -> I {
        let size = I.bitWidth / 8
        guard bytes.count >= size, offset <= bytes.count - size else { throw Malformed() }
        var value: I = 0
        for index in 0..<size { value = value << 8 | I(bytes[offset + index]) }
        return value.bigEndian
    }
}
