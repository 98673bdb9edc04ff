// A router's report between `vip` and balancer.

import Wire

/// Form: name, flags (1 active, 2 willing), priority, length and octets of the address.
extension RouterReport {
    func write(into bytes: inout [UInt8]) {
        bytes.append(text: name, limit: ControlLimits.name)
        bytes.append((isActive ? 1 : 0) | (isWilling ? 2 : 0))
        bytes.append(priority)
        bytes.append(UInt8(address.octets.count))
        bytes += address.octets
    }

    /// - Throws: ``MalformedMessage``, or the reader's when the bytes end.
    init(reading reader: inout ByteReader) throws {
        let name = try reader.text(limit: ControlLimits.name)
        let flags = try reader.u8()
        guard flags <= 3 else { throw MalformedMessage("a router with unknown flags") }
        let priority = try reader.u8()
        let octets = try reader.take(Int(try reader.u8()))
        guard let address = IPAddress(octets: octets) else {
            throw MalformedMessage("an address of \(octets.count) octets")
        }
        self.init(
            name: name, isActive: flags & 1 != 0, isWilling: flags & 2 != 0, priority: priority, address: address)
    }
}
