// What one host says about a virtual router of its own, on its way to the other host over the pair link.

package import Wire

/// A virtual router as its own `vip` sees it: the second heartbeat (docs/split-brain.md).
///
/// Travels `vip` → balancer → pair link → the peer's balancer → its `vip`, once for each advertisement.
/// Form: name, flags (1 active, 2 willing), priority, length and octets of the address.
package struct PeerRouter: Hashable, Sendable {
    /// Most routers told about; further ones have no second heartbeat.
    package static let maximum = 16

    /// Its name in the configuration, which is the same on both hosts.
    package var name: String
    /// It holds the addresses and has just said so: never true of a router that is silent.
    package var isActive: Bool
    /// It would take the addresses at once and serve in full health.
    package var isWilling: Bool
    /// Its priority in force.
    package var priority: UInt8
    /// The address it advertises from.
    package var address: IPAddress

    package init(name: String, isActive: Bool, isWilling: Bool, priority: UInt8, address: IPAddress) {
        self.name = name
        self.isActive = isActive
        self.isWilling = isWilling
        self.priority = priority
        self.address = address
    }

    func write(into bytes: inout [UInt8]) {
        bytes.append(text: name, limit: ControlLimits.name)
        bytes.append((isActive ? 1 : 0) | (isWilling ? 2 : 0))
        bytes.append(priority)
        bytes.append(UInt8(address.octets.count))
        bytes += address.octets
    }

    /// - Throws: ``MalformedMessage``, or the reader's when the bytes end.
    init(reading reader: inout ByteReader) throws {
        name = try reader.text(limit: ControlLimits.name)
        let flags = try reader.u8()
        guard flags <= 3 else { throw MalformedMessage("a router with unknown flags") }
        isActive = flags & 1 != 0
        isWilling = flags & 2 != 0
        priority = try reader.u8()
        let octets = try reader.take(Int(try reader.u8()))
        guard let address = IPAddress(octets: octets) else {
            throw MalformedMessage("an address of \(octets.count) octets")
        }
        self.address = address
    }
}
