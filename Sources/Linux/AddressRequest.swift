// An address we want on an interface, with everything the kernel is told about it.

package import Wire

/// What ``Netlink/put(_:)`` asks for.
package struct AddressRequest: Hashable, Sendable {
    /// The interface's index.
    package var index: UInt32
    package var prefix: IPPrefix
    /// `IFA_LABEL`, at most 15 octets; `nil`: the interface's name. IPv4 only.
    package var label: String?
    /// How long the kernel keeps the address when nobody asks again, in whole seconds; `nil`: for ever.
    package var validLifetime: UInt32?
    /// How long an IPv6 address may be chosen as a source, in whole seconds, at most ``validLifetime``; `nil`: as long.
    package var preferredLifetime: UInt32?
    /// Whether the kernel adds an on-link route for the prefix (IPv6). Where another address has brought that route
    /// already, it must not: the route would get this address's lifetime and vanish with it.
    package var addsPrefixRoute = true

    package init(_ prefix: IPPrefix, on index: UInt32) {
        self.prefix = prefix
        self.index = index
        // An address that is no network of its own is never chosen as a source unless somebody wants it to be.
        if prefix.address.family == .ipv6, prefix.length == 128 { preferredLifetime = 0 }
    }
}
