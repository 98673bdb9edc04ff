// The frame that tells an IPv4 network where an address lives now.

package import Wire

/// A gratuitous ARP frame (RFC 9568, 8.1.2; RFC 5227, 3).
package enum GratuitousARP {
    /// An ARP request for the address by its own holder, to everybody.
    ///
    /// The form keepalived sends: RFC 5227 prefers the request because some hosts ignore answers nobody asked for.
    package static func frame(for address: IPv4Address, at mac: MACAddress) -> [UInt8] {
        var frame = MACAddress.broadcast.octets + mac.octets
        frame.append(bigEndian: UInt16(0x0806))
        // Hardware Ethernet, protocol IPv4, lengths 6 and 4, operation request.
        frame += [0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x01]
        frame += mac.octets + address.octets
        frame += MACAddress.broadcast.octets + address.octets
        return frame
    }
}
