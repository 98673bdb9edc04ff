// What `vip` tells the balancer over their direct link: who holds which address.

import Wire

/// The state of every virtual router of this host, sent whenever one of them changes.
///
/// Form: version 1, flags, number of routers, then for each its name and its role.
package struct VipNotice: ControlMessage, Hashable {
    /// The states of RFC 9568, 6.3.
    package enum Role: UInt8, Hashable, Sendable, CaseIterable {
        case initialize, backup, active
    }

    /// One virtual router.
    package struct Router: Hashable, Sendable {
        /// Its name in the configuration.
        package var name: String
        package var role: Role

        package init(name: String, role: Role) {
            self.name = name
            self.role = role
        }
    }

    private static let version: UInt8 = 1

    /// In the order of the configuration; at most 255.
    package var routers: [Router]
    /// This host is handing its addresses over on purpose, and takes none back for now.
    package var steppingDown: Bool

    package init(routers: [Router], steppingDown: Bool) {
        precondition(routers.count <= 255, "\(routers.count) virtual routers")
        self.routers = routers
        self.steppingDown = steppingDown
    }

    /// Whether any router holds its address.
    package var isActive: Bool { routers.contains { $0.role == .active } }

    package var descriptorCount: Int { 0 }

    package func write(into bytes: inout [UInt8]) {
        bytes.append(Self.version)
        bytes.append(steppingDown ? 1 : 0)
        bytes.append(UInt8(routers.count))
        for router in routers {
            bytes.append(text: router.name, limit: ControlLimits.name)
            bytes.append(router.role.rawValue)
        }
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        routers = []
        do {
            let version = try reader.u8()
            guard version == Self.version else { throw MalformedMessage("a notice of version \(version)") }
            let flags = try reader.u8()
            guard flags <= 1 else { throw MalformedMessage("a notice with unknown flags") }
            steppingDown = flags == 1
            for _ in 0..<(try reader.u8()) {
                let name = try reader.text(limit: ControlLimits.name)
                guard let role = Role(rawValue: try reader.u8()) else { throw MalformedMessage("an unknown role") }
                routers.append(Router(name: name, role: role))
            }
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the notice ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the notice") }
    }
}
