// Writes an advertisement as the payload of an IP packet.

package import Wire

extension Advertisement {
    /// The octets that follow the IP header, checksum included.
    ///
    /// Writing what no receiver may believe is our own mistake and traps: identifier 0, priority 255 (nobody owns a
    /// floating address), an interval that is 0 or not a whole number of units, no address, or mixed families.
    ///
    /// - Parameters:
    ///   - source: the source address of the IP header.
    ///   - destination: its destination; with several peers the checksum differs for each.
    ///   - checksum: the form for IPv4 version 3. IPv6 always has the pseudo-header and version 2 never.
    package func write(from source: IPAddress, to destination: IPAddress, checksum form: ChecksumForm) -> [UInt8] {
        var bytes = unsummed(from: source, to: destination)
        sum(&bytes, from: source, to: destination, checksum: form, covering: bytes.count)
        return bytes
    }

    /// The octets with a checksum of zero.
    func unsummed(from source: IPAddress, to destination: IPAddress) -> [UInt8] {
        let family = source.family
        precondition(destination.family == family, "an advertisement from \(source) to \(destination)")
        precondition(addresses.allSatisfy { $0.family == family }, "addresses of two families in one advertisement")
        precondition((1...Self.maximumAddresses).contains(addresses.count), "\(addresses.count) addresses")
        precondition(version == .three || family == .ipv4, "VRRP version 2 is IPv4 only")
        precondition(routerID > 0 && priority < 255, "router \(routerID), priority \(priority)")
        precondition(version.intervals.contains(interval), "interval \(interval)")
        let units = interval.nanoseconds / version.intervalUnit.nanoseconds
        precondition(version.intervalUnit * units == interval, "interval \(interval) is not a whole number of units")

        let length = Self.length(version: version, family: family, count: addresses.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(length)
        bytes.append(version.rawValue << 4 | 1)
        bytes.append(routerID)
        bytes.append(priority)
        bytes.append(UInt8(addresses.count))
        switch (version, authentication) {
        case (.three, _): bytes.append(bigEndian: UInt16(units))
        case (.two, .none): bytes += [0, UInt8(units)]
        case (.two, .password): bytes += [1, UInt8(units)]
        }
        bytes.append(bigEndian: UInt16(0))
        for address in addresses {
            switch address {
            case .v4(let v4): bytes.append(bigEndian: v4.value)
            case .v6(let v6):
                bytes.append(bigEndian: v6.high)
                bytes.append(bigEndian: v6.low)
            }
        }
        if version == .two {
            switch authentication {
            case .none: bytes.append(bigEndian: UInt64(0))
            case .password(let octets): bytes.append(bigEndian: octets)
            }
        }

        return bytes
    }

    /// Puts the checksum over the first `count` octets into their place.
    func sum(
        _ bytes: inout [UInt8], from source: IPAddress, to destination: IPAddress, checksum form: ChecksumForm,
        covering count: Int
    ) {
        let used: ChecksumForm =
            switch (version, source.family) {
            case (.two, _): .messageOnly
            case (.three, .ipv6): .pseudoHeader
            case (.three, .ipv4): form
            }
        var sum = Self.checksum(used, from: source, to: destination, length: count)
        sum.add(bytes.span.extracting(..<count))
        let value = sum.value
        bytes[6] = UInt8(value >> 8)
        bytes[7] = UInt8(value & 0xFF)
    }
}
