// A virtual address with the interface it lives on.

package import Configuration
package import Wire

/// One address that moves with a virtual router, everything that was left to defaults decided.
package struct VirtualAddress: Hashable, Sendable {
    package var prefix: IPPrefix
    /// The name of the interface it is put on.
    package var device: String
    /// The label of an IPv4 address; `nil`: the interface's name.
    package var label: String?
    /// How long an IPv6 address may be chosen as a source after a renewal; `nil`: as long as it is there.
    package var preferredLifetime: Duration?
    /// Whether it is named in advertisements.
    package var isAdvertised: Bool
    /// Whether it is put on the interface; else hooks move it.
    package var isClaimed: Bool

    package var address: IPAddress { prefix.address }

    package init(_ address: Configuration.VirtualRouterSettings.Address, on interface: String) {
        prefix = address.prefix
        device = address.device ?? interface
        label = address.label
        preferredLifetime = address.preferredLifetime
        isAdvertised = !address.isUnadvertised
        isClaimed = !address.isUnclaimed
    }
}
