// The one message of VRRP: what an active router says about itself.

package import Wire

/// A VRRP advertisement, version 2 or 3 (RFC 9568, 5.2; RFC 5798, 5.2; RFC 3768, 5.3).
///
/// The value holds what the packet means, not its bytes: ``init(parsing:from:to:hopLimit:)`` reads them,
/// ``write(from:to:checksum:)`` makes them. The source and destination addresses belong to the IP header and are given
/// from outside, because the checksum may cover them.
package struct Advertisement: Equatable, Sendable {
    /// The IP protocol number of VRRP (RFC 9568, 5.1.1.4).
    package static let ipProtocol: UInt8 = 112
    /// The only TTL or hop limit an advertisement may arrive with (RFC 9568, 5.1.1.3).
    package static let hopLimit: UInt8 = 255
    /// Most addresses one message can name: its count field has eight bits.
    package static let maximumAddresses = 255
    /// Where IPv4 advertisements go: 224.0.0.18 (RFC 9568, 5.1.1.2).
    package static let ipv4Group = IPAddress.v4(IPv4Address(224, 0, 0, 18))
    /// Where IPv6 advertisements go: ff02::12 (RFC 9568, 5.1.2.2).
    package static let ipv6Group = IPAddress.v6(IPv6Address(high: 0xFF02 << 48, low: 0x12))

    /// The protocol version of a message.
    package enum Version: UInt8, Sendable, CaseIterable {
        /// RFC 3768: IPv4 only, whole seconds, eight octets of authentication data.
        case two = 2
        /// RFC 9568: IPv4 and IPv6, centiseconds.
        case three = 3

        /// The smallest step of an interval on the wire: 1 s or 10 ms.
        package var intervalUnit: Duration { self == .two ? .seconds(1) : .milliseconds(10) }
        /// The intervals that can be written: 1 s ... 255 s or 10 ms ... 40.95 s. Zero is not among them.
        package var intervals: ClosedRange<Duration> {
            self == .two ? .seconds(1) ... .seconds(255) : .milliseconds(10) ... .milliseconds(40_950)
        }
    }

    /// What the checksum of an IPv4 version 3 message covers; the standards and the products disagree.
    package enum ChecksumForm: String, Sendable, CaseIterable {
        /// A pseudo-header of the IP addresses and the message: RFC 5798 as keepalived reads it; always for IPv6.
        case pseudoHeader = "pseudo-header"
        /// The message alone: RFC 9568, 5.2.8, Cisco, Juniper; always for version 2.
        case messageOnly = "message-only"
    }

    /// The authentication of a version 2 message (RFC 2338, 5.3.6; only kept for old peers).
    package enum Authentication: Equatable, Sendable {
        /// Type 0: eight zero octets.
        case none
        /// Type 1: a password in clear, its eight octets as a number in network order, padded with zeros.
        case password(UInt64)

        /// The password as people write it: 1...8 octets; `nil` when it is empty or longer.
        package init?(password text: String) {
            guard (1...8).contains(text.utf8.count) else { return nil }
            var octets: UInt64 = 0
            for octet in text.utf8 { octets = octets << 8 | UInt64(octet) }
            self = .password(octets << UInt64(8 * (8 - text.utf8.count)))
        }
    }

    /// The version of the message.
    package var version: Version
    /// The virtual router identifier (VRID): 1...255.
    package var routerID: UInt8
    /// 255 owner, 1...254 others, 0 the sender stops being active.
    package var priority: UInt8
    /// How often the sender sends, in whole ``Version/intervalUnit``s.
    package var interval: Duration
    /// The virtual addresses, in the order of the message: 1...255 of one family.
    package var addresses: [IPAddress]
    /// Version 2 only; `.none` in version 3.
    package var authentication: Authentication
    /// The form of checksum it was seen with. Noted for the operator; no part of what the sender means.
    package var checksumForm: ChecksumForm

    /// An advertisement to be written.
    package init(
        version: Version, routerID: UInt8, priority: UInt8, interval: Duration, addresses: [IPAddress],
        authentication: Authentication = .none, checksumForm: ChecksumForm = .pseudoHeader
    ) {
        self.version = version
        self.routerID = routerID
        self.priority = priority
        self.interval = interval
        self.addresses = addresses
        self.authentication = authentication
        self.checksumForm = checksumForm
    }

    /// Octets before the addresses.
    static let headerLength = 8
    /// Octets of authentication data behind the addresses of a version 2 message.
    static let authenticationLength = 8

    /// The length of a message in octets, which is also where a trailer of a later extension begins.
    package static func length(version: Version, family: AddressFamily, count: Int) -> Int {
        headerLength + count * (family == .ipv4 ? 4 : 16) + (version == .two ? authenticationLength : 0)
    }

    /// The checksum before anything of the message was added (RFC 9568, 5.2.8; RFC 8200, 8.1).
    static func checksum(_ form: ChecksumForm, from: IPAddress, to: IPAddress, length: Int) -> InternetChecksum {
        var sum = InternetChecksum()
        guard form == .pseudoHeader else { return sum }
        sum.add(octetsOf: from)
        sum.add(octetsOf: to)
        // IPv4: zero, protocol, 16-bit length. IPv6: 32-bit length, three zeros, next header. As sums of 16-bit words
        // both are the protocol number plus the length.
        sum.add(word: UInt16(ipProtocol))
        sum.add(word: UInt16(truncatingIfNeeded: length))
        return sum
    }
}

extension InternetChecksum {
    /// Adds one 16-bit word.
    mutating func add(word: UInt16) {
        add(UInt8(word >> 8))
        add(UInt8(word & 0xFF))
    }

    /// Adds four 16-bit words.
    mutating func add(words: UInt64) {
        for word in 0..<4 { add(word: UInt16(truncatingIfNeeded: words >> UInt64(48 - 16 * word))) }
    }

    /// Adds the octets of an address without making an array of them.
    mutating func add(octetsOf address: IPAddress) {
        switch address {
        case .v4(let v4):
            add(word: UInt16(v4.value >> 16))
            add(word: UInt16(v4.value & 0xFFFF))
        case .v6(let v6):
            add(words: v6.high)
            add(words: v6.low)
        }
    }
}
