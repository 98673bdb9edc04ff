// The bytes of advertisements, with the names of their fields, and every reason to refuse some.

import Testing
import VRRP
import Wire

@Suite struct AdvertisementTests {
    static let from = IPAddress.v4(IPv4Address(10, 0, 0, 11))
    static let group = Advertisement.ipv4Group
    static let link1 = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 1))
    static let linkA = IPAddress.v6(IPv6Address(high: 0xFE80 << 48, low: 0xA))

    static let v3 = Advertisement(
        version: .three, routerID: 51, priority: 150, interval: .milliseconds(100),
        addresses: [.v4(IPv4Address(10, 0, 0, 10))])
    static let v3Bytes: [UInt8] = [
        0x31,  // version 3, type 1
        51,  // virtual router identifier
        150,  // priority
        1,  // count of addresses
        0x00, 0x0A,  // reserved, maximum advertisement interval: 10 centiseconds
        0x44, 0x1D,  // checksum with pseudo-header 10.0.0.11, 224.0.0.18, 112, 12
        10, 0, 0, 10,  // address
    ]
    static let v2Bytes: [UInt8] = [
        0x21,  // version 2, type 1
        51,  // virtual router identifier
        150,  // priority
        1,  // count of addresses
        1,  // authentication type: simple password
        1,  // interval: 1 second
        0x01, 0x74,  // checksum, authentication data included
        10, 0, 0, 10,  // address
        0x73, 0x65, 0x63, 0x72, 0x65, 0x74, 0, 0,  // authentication data: "secret"
    ]
    static let v6Bytes: [UInt8] =
        [
            0x31, 51, 100, 1,  // version 3, type 1; identifier; priority; count
            0x00, 0x64,  // 100 centiseconds
            0x6D, 0xBD,  // checksum with the IPv6 pseudo-header of fe80::1 and ff02::12
        ] + [0xFE, 0x80] + Array(repeating: 0, count: 13) + [0x0A]  // address fe80::a

    static func parse(
        _ bytes: [UInt8], from: IPAddress = from, to: IPAddress = group, hopLimit: UInt8? = 255
    ) throws(Discard) -> Advertisement {
        try Advertisement(parsing: bytes.span, from: from, to: to, hopLimit: hopLimit)
    }

    /// Puts a right message-only checksum into a message, so that only the intended defect is left.
    static func resealed(_ bytes: [UInt8], length: Int? = nil) -> [UInt8] {
        var sealed = bytes
        sealed[6] = 0
        sealed[7] = 0
        var sum = InternetChecksum()
        for byte in sealed.prefix(length ?? sealed.count) { sum.add(byte) }
        sealed[6] = UInt8(sum.value >> 8)
        sealed[7] = UInt8(sum.value & 0xFF)
        return sealed
    }

    @Test func writesVersion3WithPseudoHeader() {
        #expect(Self.v3.write(from: Self.from, to: Self.group, checksum: .pseudoHeader) == Self.v3Bytes)
    }

    @Test func writesVersion3OverTheMessageOnly() {
        var bytes = Self.v3Bytes
        bytes[6...7] = [0x2E, 0xB7]
        #expect(Self.v3.write(from: Self.from, to: Self.group, checksum: .messageOnly) == bytes)
    }

    @Test(arguments: Advertisement.ChecksumForm.allCases)
    func readsEitherFormAndSaysWhich(form: Advertisement.ChecksumForm) throws {
        let read = try Self.parse(Self.v3.write(from: Self.from, to: Self.group, checksum: form))
        #expect(read.checksumForm == form)
        #expect(read.addresses == Self.v3.addresses)
        #expect(read.interval == .milliseconds(100))
    }

    @Test func thePseudoHeaderHoldsTheRealDestination() {
        let other = IPAddress.v4(IPv4Address(10, 0, 0, 12))
        #expect(throws: Discard.badChecksum) { try Self.parse(Self.v3Bytes, to: other) }
    }

    @Test func readsAndWritesVersion2WithPassword() throws {
        let authentication = try #require(Advertisement.Authentication(password: "secret"))
        let read = try Self.parse(Self.v2Bytes)
        #expect(read.authentication == authentication)
        #expect(read.interval == .seconds(1))
        #expect(read.checksumForm == .messageOnly)
        #expect(read.write(from: Self.from, to: Self.group, checksum: .pseudoHeader) == Self.v2Bytes)
    }

    @Test func passwordsHaveOneToEightOctets() {
        #expect(Advertisement.Authentication(password: "") == nil)
        #expect(Advertisement.Authentication(password: "123456789") == nil)
        #expect(Advertisement.Authentication(password: "12345678") == .password(0x3132_3334_3536_3738))
    }

    @Test func readsAndWritesIPv6() throws {
        let read = try Self.parse(Self.v6Bytes, from: Self.link1, to: Advertisement.ipv6Group)
        #expect(read.addresses == [Self.linkA])
        #expect(read.checksumForm == .pseudoHeader)
        let written = read.write(from: Self.link1, to: Advertisement.ipv6Group, checksum: .messageOnly)
        #expect(written == Self.v6Bytes)
    }

    @Test func ignoresTheReservedBits() throws {
        var bytes = Self.v3Bytes
        bytes[4] |= 0xF0
        #expect(try Self.parse(Self.resealed(bytes)).interval == .milliseconds(100))
    }

    @Test func toleratesThePaddingOfAShortFrame() throws {
        #expect(try Self.parse(Self.v3Bytes + Array(repeating: 0, count: 14)) == Self.parse(Self.v3Bytes))
    }

    @Test(arguments: [
        Array(repeating: UInt8(0), count: 15),  // longer than the padding of a frame can be
        Array(repeating: UInt8(0), count: 28),  // as long as an authentication trailer
        [0, 1],  // short, but not zero
    ])
    func refusesATrailer(trailer: [UInt8]) {
        #expect(throws: Discard.trailingBytes) { try Self.parse(Self.v3Bytes + trailer) }
    }

    @Test func ipv6MessagesAreNeverPadded() {
        #expect(throws: Discard.trailingBytes) {
            try Self.parse(Self.v6Bytes + [0], from: Self.link1, to: Advertisement.ipv6Group)
        }
    }

    /// A defect, and the one change to a right message that makes it.
    struct Defect: Sendable {
        var reason: Discard
        var hopLimit: UInt8? = 255
        var bytes: [UInt8]
    }

    static func changed(_ index: Int, _ value: UInt8, of bytes: [UInt8] = v3Bytes) -> [UInt8] {
        var changed = bytes
        changed[index] = value
        return resealed(changed)
    }

    static let defects = [
        Defect(reason: .tooShort, bytes: []),
        Defect(reason: .tooShort, bytes: Array(v3Bytes.prefix(7))),
        Defect(reason: .wrongVersion, bytes: changed(0, 0x41)),
        Defect(reason: .wrongVersion, bytes: changed(0, 0x11)),
        Defect(reason: .wrongType, bytes: changed(0, 0x32)),
        Defect(reason: .badHopLimit, hopLimit: 254, bytes: v3Bytes),
        Defect(reason: .badHopLimit, hopLimit: 0, bytes: v3Bytes),
        Defect(reason: .zeroRouterID, bytes: changed(1, 0)),
        Defect(reason: .noAddresses, bytes: changed(3, 0)),
        Defect(reason: .truncated, bytes: changed(3, 2)),
        Defect(reason: .truncated, bytes: Array(v3Bytes.prefix(11))),
        Defect(reason: .truncated, bytes: Array(v2Bytes.prefix(12))),
        Defect(reason: .badChecksum, bytes: v3Bytes.dropLast() + [11]),
        Defect(reason: .badChecksum, bytes: v2Bytes.dropLast() + [1]),
        Defect(reason: .zeroInterval, bytes: changed(5, 0)),
        Defect(reason: .zeroInterval, bytes: changed(5, 0, of: v2Bytes)),
        Defect(reason: .unknownAuthentication, bytes: changed(4, 2, of: v2Bytes)),
        Defect(reason: .trailingBytes, bytes: v2Bytes + [1]),
    ]

    @Test(arguments: defects)
    func refuses(defect: Defect) {
        #expect(throws: defect.reason) { try Self.parse(defect.bytes, hopLimit: defect.hopLimit) }
    }

    @Test func refusesVersion2OverIPv6() {
        #expect(throws: Discard.wrongVersion) {
            try Self.parse(Self.changed(0, 0x21, of: Self.v6Bytes), from: Self.link1, to: Advertisement.ipv6Group)
        }
    }

    @Test func theHopLimitCheckCanBeSwitchedOff() throws {
        #expect(try Self.parse(Self.v3Bytes, hopLimit: nil).priority == 150)
    }

    @Test func reasonsHaveNamesOfTheirOwn() {
        #expect(Set(Discard.allCases.map(\.rawValue)).count == Discard.allCases.count)
        #expect(Discard.badChecksum.rawValue == "bad-checksum")
    }
}
