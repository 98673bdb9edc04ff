// Reads an advertisement from the payload of an IP packet, believing nothing.

package import Wire

extension Advertisement {
    /// Reads the payload of one IP packet of protocol 112.
    ///
    /// - Parameters:
    ///   - bytes: what follows the IP header.
    ///   - source: the source address of the IP header; of the same family as `destination`.
    ///   - destination: the destination address of the IP header.
    ///   - hopLimit: the TTL or hop limit it arrived with; `nil` only where the operator switched this check off.
    ///   - ignoresTrailer: a trailer of authentication is passed over instead of being refused, so that the nodes need
    ///     not begin with it at one moment.
    /// - Throws: the first rule the packet breaks. Rules that need the router's settings are checked by
    ///   ``VirtualRouter``.
    package init(
        parsing bytes: Span<UInt8>, from source: IPAddress, to destination: IPAddress, hopLimit: UInt8?,
        ignoresTrailer: Bool = false
    ) throws(Discard) {
        self =
            try Self.read(bytes, from: source, to: destination, hopLimit: hopLimit, mayBeSealed: ignoresTrailer).message
    }

    /// The virtual router identifier of what looks like an advertisement; `nil` when it is too short for one.
    ///
    /// Routers on one interface see each other's packets. This tells them apart before a key is tried on them.
    package static func routerID(of bytes: Span<UInt8>) -> UInt8? { bytes.count >= headerLength ? bytes[1] : nil }

    /// Reads the message and says where it ends; a trailer of ``HMACTrailer/length`` octets may follow a sealed one.
    static func read(
        _ bytes: Span<UInt8>, from source: IPAddress, to destination: IPAddress, hopLimit: UInt8?, mayBeSealed: Bool
    ) throws(Discard) -> (message: Advertisement, length: Int) {
        // RFC 9568, 7.1: first the TTL, so that nothing from another link is even looked at.
        if let hopLimit, hopLimit != Self.hopLimit { throw .badHopLimit }
        guard bytes.count >= headerLength else { throw .tooShort }
        let family = source.family
        guard let version = Version(rawValue: bytes[0] >> 4), version == .three || family == .ipv4 else {
            throw .wrongVersion
        }
        guard bytes[0] & 0x0F == 1 else { throw .wrongType }
        guard bytes[1] != 0 else { throw .zeroRouterID }
        let count = Int(bytes[3])
        guard count > 0 else { throw .noAddresses }
        let length = Self.length(version: version, family: family, count: count)
        guard bytes.count >= length else { throw .truncated }
        // The trailer is told from padding by its exact length, which no padding reaches.
        let isSealed = mayBeSealed && bytes.count == length + HMACTrailer.length
        guard isSealed || isPadding(bytes, from: length, family: family) else { throw .trailingBytes }
        // Over IPv6 the checksum is that of the transport and covers the trailer, over IPv4 the message alone.
        let covered = isSealed && family == .ipv6 ? bytes.count : length
        guard let form = checksumForm(bytes, length: covered, version: version, from: source, to: destination)
        else { throw .badChecksum }

        let interval: Duration
        var authentication = Authentication.none
        switch version {
        case .two:
            interval = .seconds(Int(bytes[5]))
            switch bytes[4] {
            case 0: break
            case 1: authentication = .password(u64(bytes, at: length - authenticationLength))
            default: throw .unknownAuthentication
            }
        case .three:
            // The upper four bits are reserved and ignored on receipt (RFC 9568, 5.2.6).
            interval = .milliseconds(10 * (Int(bytes[4] & 0x0F) << 8 | Int(bytes[5])))
        }
        guard interval > .zero else { throw .zeroInterval }

        let message = Advertisement(
            version: version, routerID: bytes[1], priority: bytes[2], interval: interval,
            addresses: addresses(bytes, count: count, family: family), authentication: authentication,
            checksumForm: form)
        return (message, length)
    }

    /// Whether everything from `end` on is what a driver may have left of a frame of minimal size.
    ///
    /// An Ethernet frame carries at least 46 octets (IEEE 802.3, 3.2.8). Behind a 20-octet IPv4 header that is 26, more
    /// than a short message; behind an IPv6 header every message is longer. A trailer of an extension (28 octets) is
    /// longer than any padding and cannot be mistaken for it.
    private static func isPadding(_ bytes: Span<UInt8>, from end: Int, family: AddressFamily) -> Bool {
        guard bytes.count > end else { return true }
        guard family == .ipv4, bytes.count <= 46 - 20 else { return false }
        for index in end..<bytes.count where bytes[index] != 0 { return false }
        return true
    }

    /// The form under which the checksum is right; `nil` when it is wrong under every form that is allowed here.
    private static func checksumForm(
        _ bytes: Span<UInt8>, length: Int, version: Version, from: IPAddress, to: IPAddress
    ) -> ChecksumForm? {
        func isRight(_ form: ChecksumForm) -> Bool {
            var sum = checksum(form, from: from, to: to, length: length)
            for index in 0..<length { sum.add(bytes[index]) }
            return sum.value == 0
        }
        if version == .three, isRight(.pseudoHeader) { return .pseudoHeader }
        if from.family == .ipv4, isRight(.messageOnly) { return .messageOnly }
        return nil
    }

    private static func addresses(_ bytes: Span<UInt8>, count: Int, family: AddressFamily) -> [IPAddress] {
        var addresses: [IPAddress] = []
        addresses.reserveCapacity(count)
        for index in 0..<count {
            switch family {
            case .ipv4:
                let at = headerLength + 4 * index
                addresses.append(.v4(IPv4Address(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])))
            case .ipv6:
                let at = headerLength + 16 * index
                addresses.append(.v6(IPv6Address(high: u64(bytes, at: at), low: u64(bytes, at: at + 8))))
            }
        }
        return addresses
    }

    /// Eight octets in network order; the caller has checked that they are there.
    private static func u64(_ bytes: Span<UInt8>, at offset: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in offset..<(offset + 8) { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
