// Somebody on the wire who sends what the pair must not believe.

import Linux
package import Wire

/// Sends IPv4 packets with any source address from a host of the lab, as an attacker on the same link can.
package struct Stranger {
    private let lab: Lab
    private let host: Host
    private let interface: UInt32
    private let card: [UInt8]

    /// - Parameter host: whose network card is used.
    package init(on host: Host, in lab: Lab) throws(LabError) {
        self.lab = lab
        self.host = host
        let text = try lab.bench.succeed(["ip", "-n", host.namespace, "-j", "link", "show", "eth0"])
        guard let index = (try? JSON(parsing: text))?.array?.first?["ifindex"]?.integer else {
            throw LabError("ip does not say the number of \(host.name)'s interface")
        }
        interface = UInt32(index)
        card = try Self.octets(try lab.network.card(of: host))
    }

    private static func octets(_ card: String) throws(LabError) -> [UInt8] {
        let octets = card.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        guard octets.count == 6 else { throw LabError("\(card) is no card's address") }
        return octets
    }

    /// Sends one IPv4 packet to a host's card.
    ///
    /// - Parameters:
    ///   - source: claimed, not necessarily one's own.
    ///   - payload: at most 1,400 bytes.
    package func send(
        _ payload: [UInt8], protocol number: UInt8, from source: IPAddress, to target: Host, timeToLive: UInt8 = 255
    ) throws(LabError) {
        precondition(payload.count <= 1400, "a packet of \(payload.count) bytes")
        // RFC 791, 3.1
        var header: [UInt8] = [0x45, 0xC0]
        header.append(bigEndian: UInt16(20 + payload.count))
        header += [0, 1, 0, 0, timeToLive, number, 0, 0]
        header += source.octets + target.address.octets
        var sum = InternetChecksum()
        sum.add(header.span)
        header[10] = UInt8(sum.value >> 8)
        header[11] = UInt8(sum.value & 0xFF)
        let destination = try Self.octets(try lab.network.card(of: target))
        let frame = destination + card + [0x08, 0x00] + header + payload
        try kernel("sending a packet from \(host.name)") { () throws(Errno) in
            let socket = try lab.bench.inside(host.namespace) { () throws(Errno) in try PacketSocket() }
            try socket.send(frame, on: interface)
        }
    }
}
