// IPv4 and IPv6 addresses as values, with the text forms people write.

/// An IPv4 address.
package struct IPv4Address: Hashable, Comparable, Sendable {
    /// The address as a number in host byte order: 10.0.0.1 is 0x0A000001.
    package var value: UInt32

    package init(_ value: UInt32) { self.value = value }

    package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        value = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }

    /// The four octets in network order.
    package var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: value)
        return octets
    }

    package static func < (a: IPv4Address, b: IPv4Address) -> Bool { a.value < b.value }
}

/// An IPv6 address.
package struct IPv6Address: Hashable, Comparable, Sendable {
    /// The first eight octets, as a number.
    package var high: UInt64
    /// The last eight octets, as a number.
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From sixteen octets in network order; fewer or more is our own mistake.
    package init(octets: [UInt8]) {
        precondition(octets.count == 16, "an IPv6 address has 16 octets, not \(octets.count)")
        high = octets[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = octets[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }

    package var octets: [UInt8] {
        var octets: [UInt8] = []
        octets.append(bigEndian: high)
        octets.append(bigEndian: low)
        return octets
    }

    /// fe80::/10 (RFC 4291, 2.5.6): meaningful only together with an interface.
    package var isLinkLocal: Bool { high >> 54 == 0x3FA }

    package static func < (a: IPv6Address, b: IPv6Address) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

/// The two families of addresses.
package enum AddressFamily: Hashable, Sendable { case ipv4, ipv6 }

/// An IP address of either family. Ordered as unsigned numbers in network order, IPv4 before IPv6.
package enum IPAddress: Hashable, Comparable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    package var family: AddressFamily {
        switch self {
        case .v4: .ipv4
        case .v6: .ipv6
        }
    }

    /// From 4 or 16 octets in network order; `nil` for any other number of them.
    package init?(octets: [UInt8]) {
        switch octets.count {
        case 4: self = .v4(IPv4Address(octets[0], octets[1], octets[2], octets[3]))
        case 16: self = .v6(IPv6Address(octets: octets))
        default: return nil
        }
    }

    /// 4 or 16 octets in network order.
    package var octets: [UInt8] {
        switch self {
        case .v4(let address): address.octets
        case .v6(let address): address.octets
        }
    }

    package var isUnspecified: Bool {
        switch self {
        case .v4(let address): address.value == 0
        case .v6(let address): address.high == 0 && address.low == 0
        }
    }

    /// Whether only this host itself can use it (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3).
    package var isLoopback: Bool {
        switch self {
        case .v4(let address): address.value >> 24 == 127
        case .v6(let address): address.high == 0 && address.low == 1
        }
    }

    package var isMulticast: Bool {
        switch self {
        case .v4(let address): address.value >> 28 == 0xE
        case .v6(let address): address.high >> 56 == 0xFF
        }
    }

    package var isLinkLocal: Bool {
        switch self {
        case .v4(let address): address.value >> 16 == 0xA9FE
        case .v6(let address): address.isLinkLocal
        }
    }

    package static func < (a: IPAddress, b: IPAddress) -> Bool {
        switch (a, b) {
        case (.v4(let x), .v4(let y)): x < y
        case (.v6(let x), .v6(let y)): x < y
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

/// An address with a prefix length: `10.0.0.10/24` on an interface, or a network in an access list.
package struct IPPrefix: Hashable, Sendable {
    package var address: IPAddress
    /// Leading bits that name the network: 0...32 or 0...128.
    package var length: Int

    package init(_ address: IPAddress, length: Int) {
        precondition(length >= 0 && length <= (address.family == .ipv4 ? 32 : 128), "prefix length \(length)")
        self.address = address
        self.length = length
    }

    /// Whether `other` lies in this network.
    package func contains(_ other: IPAddress) -> Bool {
        switch (address, other) {
        case (.v4(let network), .v4(let host)):
            return length == 0 || (network.value ^ host.value) >> UInt32(32 - length) == 0
        case (.v6(let network), .v6(let host)):
            if length == 0 { return true }
            if length <= 64 { return (network.high ^ host.high) >> UInt64(64 - length) == 0 }
            return network.high == host.high && (length == 64 || (network.low ^ host.low) >> UInt64(128 - length) == 0)
        default:
            return false
        }
    }
}

/// An address and a TCP or UDP port.
package struct SocketAddress: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16
    /// Interface index for link-local IPv6 addresses; 0 otherwise.
    package var scope: UInt32

    package init(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.address = address
        self.port = port
        self.scope = scope
    }
}

/// A 48-bit Ethernet address.
package struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// The six octets as a number, first octet highest.
    package var value: UInt64

    package init(_ value: UInt64) { self.value = value & 0xFFFF_FFFF_FFFF }

    package static let broadcast = MACAddress(0xFFFF_FFFF_FFFF)

    package var octets: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * $0)) } }

    package var description: String {
        octets.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: ":")
    }
}
