// A host of the lab: a network namespace with one interface in the lab's bridge.

package import Wire

/// A network namespace with `eth0` at the bridge.
package struct Host: Hashable, Sendable {
    /// Short name: `lb1`, `b2`, `client`. Also the name of the bridge's port.
    package let name: String
    /// The name of the namespace, unique on this machine.
    package let namespace: String
    /// The host's own address; all are in 10.0.0.0/24, which no other namespace sees.
    package let address: IPAddress
}
