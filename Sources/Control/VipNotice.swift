// What `vip` tells the balancer over their direct link: who holds which address.

package import Wire

/// The state of every virtual router of this host, sent whenever one of them changes, and with each advertisement: then
/// it is the second heartbeat, which the balancer passes to the other host.
///
/// Form: version 2, flags, the time (8 octets), number of routers, for each its name and its role, then the number of
/// reports and each ``RouterReport``.
package struct VipNotice: ControlMessage, Hashable {
    /// The states of RFC 9568, 6.3, and what comes after the farewell.
    package enum Role: UInt8, Hashable, Sendable, CaseIterable {
        case initialize, backup, active
        /// The other host serves, and the address is here for a last moment: sessions on it are to be closed.
        case leaving
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

    private static let version: UInt8 = 2

    /// In the order of the configuration; at most 255.
    package var routers: [Router]
    /// This host is handing its addresses over on purpose, and takes none back for now.
    package var steppingDown: Bool
    /// When this was said, on this host's monotonic clock.
    package var time: Instant
    /// For the peer; at most ``RouterReport/maximum``.
    package var reports: [RouterReport]

    package init(routers: [Router], steppingDown: Bool, time: Instant = .zero, reports: [RouterReport] = []) {
        precondition(routers.count <= 255, "\(routers.count) virtual routers")
        precondition(reports.count <= RouterReport.maximum, "\(reports.count) reports")
        self.routers = routers
        self.steppingDown = steppingDown
        self.time = time
        self.reports = reports
    }

    /// Whether any router holds its address.
    package var isActive: Bool { routers.contains { $0.role == .active } }

    package var descriptorCount: Int { 0 }

    package func write(into bytes: inout [UInt8]) {
        bytes.append(Self.version)
        bytes.append(steppingDown ? 1 : 0)
        bytes.append(bigEndian: time.nanoseconds)
        bytes.append(UInt8(routers.count))
        for router in routers {
            bytes.append(text: router.name, limit: ControlLimits.name)
            bytes.append(router.role.rawValue)
        }
        bytes.append(UInt8(reports.count))
        for report in reports { report.write(into: &bytes) }
    }

    package init(parsing bytes: Span<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        routers = []
        reports = []
        do {
            let version = try reader.u8()
            guard version == Self.version else { throw MalformedMessage("a notice of version \(version)") }
            let flags = try reader.u8()
            guard flags <= 1 else { throw MalformedMessage("a notice with unknown flags") }
            steppingDown = flags == 1
            time = Instant(nanoseconds: Int64(bitPattern: try reader.u64()))
            for _ in 0..<(try reader.u8()) {
                let name = try reader.text(limit: ControlLimits.name)
                guard let role = Role(rawValue: try reader.u8()) else { throw MalformedMessage("an unknown role") }
                routers.append(Router(name: name, role: role))
            }
            let count = Int(try reader.u8())
            guard count <= RouterReport.maximum else { throw MalformedMessage("\(count) reports") }
            for _ in 0..<count { reports.append(try RouterReport(reading: &reader)) }
        } catch let error as MalformedMessage {
            throw error
        } catch {
            throw MalformedMessage("the notice ends early")
        }
        guard reader.isAtEnd else { throw MalformedMessage("something follows the notice") }
    }
}
