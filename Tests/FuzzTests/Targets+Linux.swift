// What the kernel and the link say: rtnetlink, IPv4 headers, ARP and neighbour discovery; the daemon's own orders.

import Control
import Linux
import Wire

extension FuzzTarget {
    /// One datagram of rtnetlink.
    static let netlink = FuzzTarget(
        name: "netlink",
        words: [[16, 0, 0, 0], [20, 0], [21, 0], [2, 0, 0, 0], [3, 0], [8, 0, 2, 0], [4, 0], [0xFF, 0xFF, 0xFF, 0xFF]]
    ) { bytes in
        let messages: [NetlinkMessage]
        do throws(NetlinkMessage.Malformed) { messages = try NetlinkMessage.parse(bytes.span) } catch {
            return "malformed"
        }
        try demand(messages.count <= bytes.count / 16, "\(messages.count) messages of \(bytes.count) bytes")
        return messages.prefix(3).map(Self.words).joined(separator: ",")
    }

    /// What a message of the kernel is, in a few words.
    private static func words(_ message: NetlinkMessage) -> String {
        switch message.body {
        case .interface(let interface): "interface \(min(4, interface.name.utf8.count))"
        case .interfaceRemoved: "interface removed"
        case .address(let address): "address \(address.prefix.address.family) \(address.isOurs)"
        case .addressRemoved(let address): "address removed \(address.prefix.address.family)"
        case .acknowledgement(let code): "acknowledgement \(code == 0)"
        case .done(let code): "done \(code == 0)"
        case .other: "other"
        }
    }

    /// An IPv4 packet from a raw socket.
    static let packetHeader = FuzzTarget(name: "ipv4-packet", words: [[0x45], [0x4F], [0x46]]) { bytes in
        guard let packet = AdvertisementSocket.packet(fromIPv4: bytes[...]) else { return "none" }
        try demand(packet.payload.count + 20 <= bytes.count, "a payload longer than the packet")
        return "\(packet.payload.count.leadingZeroBitCount)"
    }

    /// An ARP frame, and an ICMP message of both families.
    static let announcement = FuzzTarget(
        name: "arp-and-icmp", words: [[0, 1, 8, 0, 6, 4], [0, 2], [136, 0], [2, 1], [0x08, 0x06], [0]]
    ) { bytes in
        var outcome = ARPMessage(frame: bytes).map { "\($0.operation)" } ?? "none"
        for family in [AddressFamily.ipv4, .ipv6] {
            switch ICMPMessage(bytes, family: family, hopLimit: 255) {
            case nil: outcome += " none"
            case .echoReply: outcome += " reply"
            case .neighborAdvertisement(_, let mac): outcome += " advertisement \(mac != nil)"
            }
        }
        return outcome
    }

    /// What the supervisor and its children tell one another.
    static let order = FuzzTarget(
        name: "control-message", words: [[0], [1], [2], [3], [4], [5], [6], [7], [0, 0, 0, 1], Array("{}".utf8)]
    ) { bytes in
        var outcome = ""
        if let order = try? SupervisorMessage(parsing: bytes.span) {
            var written: [UInt8] = []
            order.write(into: &written)
            try demand((try? SupervisorMessage(parsing: written.span)) == order, "\(order) is written otherwise")
            outcome += "order \(written.first ?? 0)"
        }
        if let answer = try? ChildMessage(parsing: bytes.span) {
            var written: [UInt8] = []
            answer.write(into: &written)
            try demand((try? ChildMessage(parsing: written.span)) == answer, "\(answer) is written otherwise")
            outcome += " answer \(written.first ?? 0)"
        }
        return outcome
    }
}
