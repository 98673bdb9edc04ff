// How long the kernel keeps a virtual address when nobody asks for it any more.

import Wire

/// The dead man's switch: addresses carry a short lifetime and are renewed as long as this process lives and is active.
///
/// docs/decisions/0007-addresses-expire.md says why these figures.
enum AddressLease {
    /// What the kernel is told, in whole seconds, which is its own precision.
    static let lifetime = Duration.seconds(4)
    /// How often it is told. A process that stalls for ``lifetime`` less this still has its addresses.
    static let renewal = Duration.seconds(1)
    /// ``lifetime`` as the kernel counts.
    static let seconds: UInt32 = 4
}
