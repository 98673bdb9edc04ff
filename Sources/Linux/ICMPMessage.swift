// Echo and neighbour discovery, as far as finding out who answers needs them.

package import Wire

/// ICMP messages that ask for a sign of life or for a holder (RFC 792, RFC 4443, RFC 4861). Values: no socket.
package enum ICMPMessage: Hashable, Sendable {
    /// The answer to an echo request, with its identifier and its sequence number.
    case echoReply(identifier: UInt16, sequence: UInt16)
    /// Somebody says where an IPv6 address lives; without an Ethernet address it says only that it does.
    case neighborAdvertisement(target: IPv6Address, mac: MACAddress?)

    /// An echo request. Over IPv6 the kernel fills the checksum in.
    package static func echoRequest(_ family: AddressFamily, identifier: UInt16, sequence: UInt16) -> [UInt8] {
        var message: [UInt8] = [family == .ipv4 ? 8 : 128, 0, 0, 0]
        message.append(bigEndian: identifier)
        message.append(bigEndian: sequence)
        guard family == .ipv4 else { return message }
        var checksum = InternetChecksum()
        checksum.add(message.span)
        message[2] = UInt8(checksum.value >> 8)
        message[3] = UInt8(checksum.value & 0xFF)
        return message
    }

    /// A neighbour solicitation (RFC 4861, 4.3); the kernel fills the checksum in.
    package static func neighborSolicitation(for target: IPv6Address, at mac: MACAddress) -> [UInt8] {
        [135, 0, 0, 0, 0, 0, 0, 0] + target.octets + [1, 1] + mac.octets
    }

    /// The group whose members hold addresses that end like this one (RFC 4291, 2.7.1).
    package static func solicitedNode(_ target: IPv6Address) -> IPv6Address {
        IPv6Address(high: 0xFF02_0000_0000_0000, low: 0x0000_0001_FF00_0000 | target.low & 0xFF_FFFF)
    }

    /// Reads what follows the IP header; `nil` for whatever is none of these.
    ///
    /// - Parameter hopLimit: a neighbour advertisement that passed a router is a forgery (RFC 4861, 7.1.2).
    package init?(_ bytes: [UInt8], family: AddressFamily, hopLimit: UInt8) {
        guard bytes.count >= 8, bytes[1] == 0 else { return nil }
        switch (family, bytes[0]) {
        case (.ipv4, 0), (.ipv6, 129):
            self = .echoReply(
                identifier: UInt16(bytes[4]) << 8 | UInt16(bytes[5]),
                sequence: UInt16(bytes[6]) << 8 | UInt16(bytes[7]))
        case (.ipv6, 136):
            guard hopLimit == 255, bytes.count >= 24 else { return nil }
            self = .neighborAdvertisement(
                target: IPv6Address(octets: Array(bytes[8..<24])), mac: Self.linkLayerAddress(bytes[24...]))
        default: return nil
        }
    }

    /// The target link-layer address option (RFC 4861, 4.6.1); `nil` when there is none or an option makes no sense.
    private static func linkLayerAddress(_ options: ArraySlice<UInt8>) -> MACAddress? {
        var rest = options
        while rest.count >= 8 {
            let at = rest.startIndex
            let length = Int(rest[at + 1]) * 8
            guard length > 0, length <= rest.count else { return nil }
            if rest[at] == 2 { return MACAddress(rest[(at + 2)..<(at + 8)].reduce(0) { $0 << 8 | UInt64($1) }) }
            rest = rest.dropFirst(length)
        }
        return nil
    }
}
