// IPv4 addresses in the dress of IPv6: what a dual-stack socket and a PROXY header of mixed families show.

extension IPAddress {
    /// The address as IPv6: an IPv4 address becomes ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
    package var mapped: IPv6Address {
        switch self {
        case .v4(let address): IPv6Address(high: 0, low: 0xFFFF << 32 | UInt64(address.value))
        case .v6(let address): address
        }
    }

    /// The address with ::ffff:a.b.c.d written as a.b.c.d, so that one host has one address.
    package var unmapped: IPAddress {
        guard case .v6(let address) = self, address.high == 0, address.low >> 32 == 0xFFFF else { return self }
        return .v4(IPv4Address(UInt32(truncatingIfNeeded: address.low)))
    }
}
