// A router's report in a heartbeat: kind 5 (docs/replication.md, 4).

import Wire

extension RouterReport {
    /// Octets of a name; a longer one is cut.
    static let maximumName = 200

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
    static func parse(_ value: [UInt8]) throws(PeerRefusal) -> RouterReport? {
        guard value.count >= 3, value.count >= 3 + Int(value[2]) else {
            throw .malformed(.short(type: FrameType.heartbeat))
        }
        let end = 3 + Int(value[2])
        guard let address = IPAddress(octets: Array(value[3..<end])) else { return nil }
        return RouterReport(
            name: String(decoding: value[end...], as: UTF8.self), isActive: value[0] & 1 != 0,
            isWilling: value[0] & 2 != 0, priority: value[1], address: address)
    }
}
