// Tells the network where a virtual address lives now.

package import Wire

/// Sends gratuitous ARP and unsolicited neighbour advertisements.
package final class Announcer {
    private let socket: PacketSocket
    /// Frames handed to the kernel since the start.
    package private(set) var sentCount = 0

    package init() throws(Errno) { socket = try PacketSocket() }

    /// Announces that `address` lives on `interface`, once; an interface without an Ethernet address needs no telling.
    ///
    /// - Parameter isRouter: whether this host forwards IPv6.
    package func announce(_ address: IPAddress, on interface: Interface, isRouter: Bool) throws(Errno) {
        guard let mac = interface.mac else { return }
        let frame =
            switch address {
            case .v4(let v4): GratuitousARP.frame(for: v4, at: mac)
            case .v6(let v6): NeighborAdvertisement.frame(for: v6, at: mac, isRouter: isRouter)
            }
        try socket.send(frame, on: interface.index)
        sentCount += 1
    }
}
