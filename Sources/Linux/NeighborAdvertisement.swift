// The frame that tells an IPv6 network where an address lives now.

package import Wire

/// An unsolicited neighbour advertisement (RFC 9568, 8.2.2; RFC 4861, 4.4 and 7.2.6).
package enum NeighborAdvertisement {
    /// To all nodes (ff02::1), with Override and the target's link-layer address, hop limit 255.
    ///
    /// - Parameter isRouter: whether this host forwards IPv6: neighbours that use it as a router must not stop.
    package static func frame(for address: IPv6Address, at mac: MACAddress, isRouter: Bool) -> [UInt8] {
        let allNodes = IPv6Address(high: 0xFF02_0000_0000_0000, low: 1)

        // Type 136, code 0, checksum, R S O and reserved, target, option 2 (target link-layer address) of one unit.
        var message: [UInt8] = [136, 0, 0, 0, isRouter ? 0xA0 : 0x20, 0, 0, 0]
        message += address.octets
        message += [2, 1] + mac.octets

        var checksum = InternetChecksum()
        var pseudoHeader = address.octets + allNodes.octets
        pseudoHeader.append(bigEndian: UInt32(message.count))
        pseudoHeader += [0, 0, 0, 58]
        checksum.add(pseudoHeader.span)
        checksum.add(message.span)
        message[2] = UInt8(checksum.value >> 8)
        message[3] = UInt8(checksum.value & 0xFF)

        // ff02::1 is 33:33:00:00:00:01 on Ethernet (RFC 2464, 7).
        var frame = MACAddress(0x3333_0000_0001).octets + mac.octets
        frame.append(bigEndian: UInt16(0x86DD))
        frame += [0x60, 0, 0, 0]
        frame.append(bigEndian: UInt16(message.count))
        frame += [58, 255]
        return frame + address.octets + allNodes.octets + message
    }
}
