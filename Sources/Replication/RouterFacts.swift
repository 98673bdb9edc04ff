// What a node says about one of its virtual routers: the second heartbeat.

package import Wire

/// A virtual router of a node, as its own `vip` sees it (docs/replication.md, 4, kind 5).
package struct RouterFacts: Hashable, Sendable {
    /// Most routers of a heartbeat; more are skipped when read.
    package static let maximum = 16
    /// Octets of a name; a longer one is cut.
    package static let maximumName = 200

    /// Its name in the configuration.
    package var name: String
    /// It holds its addresses and advertises them.
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

    func append(to out: inout [UInt8]) {
        var value: [UInt8] = [(isActive ? 1 : 0) | (isWilling ? 2 : 0), priority, UInt8(address.octets.count)]
        value += address.octets
        value += Array(name.utf8.prefix(Self.maximumName))
        out += [NodeFacts.routerKind, UInt8(value.count)]
        out += value
    }

    /// Reads a value of kind 5; `nil` for an address of no known family.
    ///
    /// - Throws: `malformed` when it is shorter than what it must hold.
    static func parse(_ value: [UInt8]) throws(PeerRefusal) -> RouterFacts? {
        guard value.count >= 3, value.count >= 3 + Int(value[2]) else {
            throw .malformed(.short(type: FrameType.heartbeat))
        }
        let end = 3 + Int(value[2])
        guard let address = IPAddress(octets: Array(value[3..<end])) else { return nil }
        return RouterFacts(
            name: String(decoding: value[end...], as: UTF8.self), isActive: value[0] & 1 != 0,
            isWilling: value[0] & 2 != 0, priority: value[1], address: address)
    }
}
