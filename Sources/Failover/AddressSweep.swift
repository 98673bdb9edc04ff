// Takes away addresses an earlier run left behind.

package import Linux
import Wire

/// Removes addresses that carry our mark (``InterfaceAddress/ownProtocol``) and that nobody serves.
///
/// The last net: for a start after a crash, and for the service manager when everything of this program is dead.
package enum AddressSweep {
    /// Removes every marked address of this network namespace for which `isKept` says no.
    ///
    /// Kernels before 5.18 keep no marks; there nothing is found.
    ///
    /// - Returns: what was removed.
    /// - Throws: the first refusal of the kernel, after everything else was tried.
    @discardableResult
    package static func run(
        isKept: (Interface, InterfaceAddress) -> Bool = { _, _ in false }
    ) throws(Errno) -> [InterfaceAddress] {
        let netlink = try Netlink()
        let interfaces = try netlink.interfaces()
        var removed: [InterfaceAddress] = []
        var refusal: Errno?
        for address in try netlink.addresses() where address.isOurs {
            guard let interface = interfaces.first(where: { $0.index == address.index }), !isKept(interface, address)
            else { continue }
            do throws(Errno) {
                try netlink.release(address.prefix.address, on: address.index)
                removed.append(address)
            } catch {
                refusal = refusal ?? error
            }
        }
        if let refusal { throw refusal }
        return removed
    }
}
