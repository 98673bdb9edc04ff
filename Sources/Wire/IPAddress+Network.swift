// The network an address belongs to.

extension IPAddress {
    /// The address with all bits behind the first `length` cleared; a length beyond the address leaves it whole.
    package func network(_ length: Int) -> IPAddress {
        precondition(length >= 0, "prefix length \(length)")
        switch self {
        case .v4(let address):
            if length >= 32 { return self }
            return .v4(IPv4Address(length == 0 ? 0 : address.value & (UInt32.max << UInt32(32 - length))))
        case .v6(let address):
            if length >= 128 { return self }
            func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : UInt64.max << UInt64(64 - bits) }
            return .v6(IPv6Address(high: address.high & mask(length), low: address.low & mask(length - 64)))
        }
    }
}
