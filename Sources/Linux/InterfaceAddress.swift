// An address on an interface as the kernel shows it, or as it is asked for.

package import Wire

/// An address on an interface as the kernel shows it (`RTM_NEWADDR`), or as we ask for it.
package struct InterfaceAddress: Hashable, Sendable {
    /// Who put an address there (`IFA_PROTO`, Linux 5.18): 0...3 are the kernel's, ours is the protocol number of VRRP.
    package static let ownProtocol: UInt8 = 112

    /// The interface's index.
    package var index: UInt32
    /// The address and the length of its on-link prefix.
    package var prefix: IPPrefix
    /// `IFA_F_*`, the wide form.
    package var flags: UInt32
    /// `IFA_PROTO`; 0 where the kernel does not know it.
    package var proto: UInt8

    package init(index: UInt32, prefix: IPPrefix, flags: UInt32 = 0, proto: UInt8 = 0) {
        self.index = index
        self.prefix = prefix
        self.flags = flags
        self.proto = proto
    }

    /// Not yet usable: duplicate address detection runs (`IFA_F_TENTATIVE`).
    package var isTentative: Bool { flags & 0x40 != 0 }
    /// Never usable: duplicate address detection found another holder (`IFA_F_DADFAILED`).
    package var hasFailedDetection: Bool { flags & 0x08 != 0 }
    /// Whether the kernel answers for the address.
    package var isUsable: Bool { !isTentative && !hasFailedDetection }
    /// Has no lifetime (`IFA_F_PERMANENT`).
    package var isPermanent: Bool { flags & 0x80 != 0 }
    /// Whether it brought the on-link route of its prefix along, or would have (not `IFA_F_NOPREFIXROUTE`).
    package var hasPrefixRoute: Bool { flags & 0x200 == 0 }
    /// Whether this program put it there.
    package var isOurs: Bool { proto == Self.ownProtocol }
}
