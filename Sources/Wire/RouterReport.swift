// What a host says about one of its virtual routers to the other host.

/// A virtual router as its own `vip` sees it: the second heartbeat (docs/split-brain.md).
///
/// Travels `vip` → balancer → pair link → the peer's balancer → its `vip`, once for each advertisement: between processes as
/// Control writes it, between hosts as Replication does (docs/replication.md, 4, kind 5).
package struct RouterReport: Hashable, Sendable {
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
}
