// Parsing of rtnetlink messages, IPv4 headers and announcement frames, as values.

import Linux
import Testing
import Wire

struct NetworkMessageTests {
    /// RTM_NEWADDR for 10.0.0.10/24 on interface 7, as Linux 6.1 writes it.
    private static let newAddress: [UInt8] = [
        0x30, 0, 0, 0, 20, 0, 0x02, 0, 5, 0, 0, 0, 0, 0, 0, 0,  // length 48, type, NLM_F_MULTI, sequence 5, port
        2, 24, 0x80, 0, 7, 0, 0, 0,  // family, prefix, flags, scope, index
        8, 0, 2, 0, 10, 0, 0, 10,  // IFA_LOCAL
        5, 0, 11, 0, 112, 0, 0, 0,  // IFA_PROTO, padded
        8, 0, 8, 0, 0x80, 0, 0, 0,  // IFA_FLAGS
    ]
    private static let refusal: [UInt8] = [
        0x14, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ]

    @Test func addressAndRefusal() throws {
        let messages = try NetlinkMessage.parse((Self.newAddress + Self.refusal).span)
        let address = InterfaceAddress(
            index: 7, prefix: IPPrefix(.v4(IPv4Address(10, 0, 0, 10)), length: 24), flags: 0x80, proto: 112)
        #expect(messages.map(\.body) == [.address(address), .acknowledgement(1)])
        #expect(messages.map(\.sequence) == [5, 6])
        #expect(address.isOurs && address.isUsable)
    }

    @Test("every cut is malformed", arguments: 1..<48)
    func cut(count: Int) {
        #expect(throws: NetlinkMessage.Malformed()) { try NetlinkMessage.parse(Array(Self.newAddress[..<count]).span) }
    }

    @Test("a bridge's news about a port is no news about the link")
    func bridgePort() throws {
        let message: [UInt8] =
            [0x20, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] + [7, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(try NetlinkMessage.parse(message.span).map(\.body) == [.other(17)])
    }

    @Test("damaged messages are refused or read, and never trap", arguments: [1, 2, 3, 4] as [UInt64])
    func damaged(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = Self.newAddress + Self.refusal
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0...8, using: &generator))
            do throws(NetlinkMessage.Malformed) {
                #expect(try NetlinkMessage.parse(bytes.span).count <= bytes.count / 16)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 0)
    }

    @Test func ipv4Header() throws {
        let header: [UInt8] = [
            0x46, 0xC0, 0, 26, 0, 1, 0, 0, 64, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18, 0x94, 4, 0, 0,
        ]
        let packet = try #require(AdvertisementSocket.packet(fromIPv4: (header + [1, 2])[...]))
        #expect(packet.payload == [1, 2])
        #expect(packet.source == .v4(IPv4Address(10, 0, 0, 1)))
        #expect(packet.destination == AdvertisementSocket.groupV4)
        #expect(packet.hopLimit == 64)
        for count in 0..<24 { #expect(AdvertisementSocket.packet(fromIPv4: header[..<count]) == nil) }
    }

    @Test func gratuitousARPFrame() {
        let frame = GratuitousARP.frame(for: IPv4Address(10, 0, 0, 10), at: MACAddress(0x0200_0000_000A))
        #expect(
            frame == [
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0, 0x0A, 0x08, 0x06,
                0, 1, 8, 0, 6, 4, 0, 1,  // Ethernet, IPv4, lengths, request
                2, 0, 0, 0, 0, 0x0A, 10, 0, 0, 10,  // sender
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 10, 0, 0, 10,  // target
            ])
    }

    @Test func neighborAdvertisementFrame() {
        let address = IPv6Address(high: 0xFD09_0000_0000_0000, low: 0x10)
        let frame = NeighborAdvertisement.frame(for: address, at: MACAddress(0x0200_0000_000A), isRouter: true)
        #expect(frame.count == 14 + 40 + 32)
        #expect(Array(frame[..<14]) == [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0A, 0x86, 0xDD])
        #expect(Array(frame[14..<22]) == [0x60, 0, 0, 0, 0, 32, 58, 255])
        #expect(frame[54] == 136 && frame[58] == 0xA0)
        #expect(Array(frame[78...]) == [2, 1, 2, 0, 0, 0, 0, 0x0A])
        // Over pseudo-header and message with its checksum the sum is 0 (RFC 4443, 2.3).
        var checksum = InternetChecksum()
        checksum.add((Array(frame[22..<54]) + [0, 0, 0, 32, 0, 0, 0, 58] + Array(frame[54...])).span)
        #expect(checksum.value == 0)
    }
}
