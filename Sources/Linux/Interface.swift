// A network interface as the kernel shows it.

package import Wire

/// A network interface as the kernel shows it at one moment (`RTM_NEWLINK`).
package struct Interface: Hashable, Sendable {
    /// The kernel's number of the interface; a new interface of the same name has another one.
    package var index: UInt32
    package var name: String
    /// Administratively up (`IFF_UP`).
    package var isUp: Bool
    /// Operational: up and with a carrier (`IFF_RUNNING`).
    package var isRunning: Bool
    /// The Ethernet address; `nil` for interfaces that have none.
    package var mac: MACAddress?
    /// The largest packet it carries, in octets.
    package var mtu: UInt32

    package init(index: UInt32, name: String, isUp: Bool, isRunning: Bool, mac: MACAddress?, mtu: UInt32) {
        self.index = index
        self.name = name
        self.isUp = isUp
        self.isRunning = isRunning
        self.mac = mac
        self.mtu = mtu
    }

    /// Whether frames can leave it now.
    package var isReady: Bool { isUp && isRunning }
}
