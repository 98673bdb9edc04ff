// Advertisements and announcements between two namespaces.

import Glibc
import Linux
import Testing
import Wire

@Suite(.enabled(if: canMakeNamespaces, "needs root for network namespaces"))
struct NetworkPacketTests {
    enum Destination: CaseIterable { case unicast, multicast }

    @Test("an advertisement arrives with source, destination and TTL 255", arguments: Destination.allCases)
    func advertisementV4(_ destination: Destination) async throws {
        try await NetworkPair.run { pair in
            try Self.exchange(
                pair, .ipv4, joinsGroup: destination == .multicast, from: .v4(IPv4Address(10, 9, 0, 1)),
                to: destination == .multicast ? AdvertisementSocket.groupV4 : .v4(IPv4Address(10, 9, 0, 2)))
        }
    }

    @Test("and so does one of IPv6, between link-local addresses", arguments: Destination.allCases)
    func advertisementV6(_ destination: Destination) async throws {
        try await NetworkPair.run { pair in
            let left = try Self.linkLocal("left")
            let right = try pair.inRight { try Self.linkLocal("right") }
            try Self.exchange(
                pair, .ipv6, joinsGroup: destination == .multicast, from: left,
                to: destination == .multicast ? AdvertisementSocket.groupV6 : right)
        }
    }

    private static func linkLocal(_ name: String) throws -> IPAddress {
        let netlink = try Netlink()
        let index = try netlink.interface(name).index
        return try #require(try netlink.addresses(on: index).map(\.prefix.address).first { $0.family == .ipv6 })
    }

    private static func exchange(
        _ pair: borrowing NetworkPair, _ family: AddressFamily, joinsGroup: Bool, from source: IPAddress,
        to destination: IPAddress
    ) throws {
        let sender = try AdvertisementSocket(
            family: family, interface: try Netlink().interface("left"), joinsGroup: joinsGroup)
        let receiver = try pair.inRight {
            try AdvertisementSocket(family: family, interface: try Netlink().interface("right"), joinsGroup: joinsGroup)
        }
        let payload = (0..<40).map { UInt8($0) }
        try sender.send(payload, from: source, to: destination)
        try sender.send([1, 2, 3], from: source, to: destination)

        var packets: [AdvertisementSocket.Packet] = []
        while packets.count < 2 {
            try #require(waitUntilReadable(receiver.number))
            #expect(try receiver.drain { packets.append($0) } == 0)
        }
        #expect(packets.map(\.payload) == [payload, [1, 2, 3]])
        #expect(packets.allSatisfy { $0.source == source && $0.destination == destination && $0.hopLimit == 255 })
        // Nothing of it came back to the sender.
        var looped = 0
        try sender.drain { _ in looped += 1 }
        #expect(looped == 0)
    }

    @Test("without the group only unicast arrives")
    func withoutGroup() async throws {
        try await NetworkPair.run { pair in
            let sender = try AdvertisementSocket(
                family: .ipv4, interface: try Netlink().interface("left"), joinsGroup: true)
            let receiver = try pair.inRight {
                try AdvertisementSocket(family: .ipv4, interface: try Netlink().interface("right"), joinsGroup: false)
            }
            let source = IPAddress.v4(IPv4Address(10, 9, 0, 1))
            try sender.send([1], from: source, to: AdvertisementSocket.groupV4)
            try sender.send([2], from: source, to: .v4(IPv4Address(10, 9, 0, 2)))
            try #require(waitUntilReadable(receiver.number))
            var payloads: [[UInt8]] = []
            try receiver.drain { payloads.append($0.payload) }
            #expect(payloads == [[2]])
        }
    }

    @Test("one call drains a bounded number of packets")
    func boundedDrain() async throws {
        try await NetworkPair.run { pair in
            let sender = try AdvertisementSocket(
                family: .ipv4, interface: try Netlink().interface("left"), joinsGroup: false)
            let receiver = try pair.inRight {
                try AdvertisementSocket(family: .ipv4, interface: try Netlink().interface("right"), joinsGroup: false)
            }
            for number in 0..<10 {
                try sender.send(
                    [UInt8(number)], from: .v4(IPv4Address(10, 9, 0, 1)), to: .v4(IPv4Address(10, 9, 0, 2)))
            }
            var received: [UInt8] = []
            while received.count < 10 {
                try #require(waitUntilReadable(receiver.number))
                var turn = 0
                try receiver.drain(limit: 4) { packet in
                    turn += 1
                    received += packet.payload
                }
                #expect((1...4).contains(turn))
            }
            #expect(received == Array(0..<10))
        }
    }

    @Test("gratuitous ARP corrects the neighbour's table")
    func gratuitousARP() async throws {
        try await Self.announcement("10.9.0.10")
    }

    @Test("an unsolicited neighbour advertisement corrects the neighbour's table")
    func neighborAdvertisement() async throws {
        try await Self.announcement("fd09::10")
    }

    private static func announcement(_ text: String) async throws {
        let address = try #require(IPAddress(text))
        try await NetworkPair.run { pair in
            let announcer = try Announcer()
            let interface = try Netlink().interface("left")
            try pair.inRight { try shell("ip neighbour replace \(text) dev right lladdr 02:00:00:00:00:99 nud stale") }
            try announcer.announce(address, on: interface, isRouter: false)
            #expect(announcer.sentCount == 1)
            try pair.inRight {
                // The frame is processed on the way; the loop only covers a busy machine.
                let check = "ip neighbour show to \(text) dev right | grep -q 02:00:00:00:00:0a"
                #expect(succeeds("for i in $(seq 100); do \(check) && exit 0; sleep 0.05; done; exit 1"))
            }
        }
    }
}
