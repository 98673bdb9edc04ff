// Huge pages under memory that many small records are looked up in.

import CLinux
import Glibc
package import Wire

/// Huge pages of 2 MiB: with small ones, an access anywhere in a large table costs more for its page table than for itself.
package enum HugePages {
    /// Octets of a huge page.
    package static let size = 2 << 20

    /// Whether huge pages can lie under a region.
    package static func canGather(_ region: MemoryRegion) -> Bool {
        // Sound: the address is only looked at.
        unsafe UInt(bitPattern: region.address) % UInt(size) == 0
    }

    /// Puts the pages under ``size`` bytes of a region into a huge one (MADV_COLLAPSE, Linux 6.1), whatever the kernel does by
    /// itself. Whoever touches them meanwhile waits. A range that has its huge page already costs next to nothing.
    ///
    /// - Parameter offset: a multiple of ``size``.
    /// - Throws: `Errno`: `EINVAL` where the kernel cannot; others when it has no huge page now.
    package static func gather(_ region: MemoryRegion, at offset: Int) throws(Errno) {
        precondition(offset >= 0 && offset % size == 0 && offset + size <= region.count, "no huge page of the region")
        // Sound: the range was checked to be inside the region; its contents stay.
        try check("madvise MADV_COLLAPSE") {
            unsafe madvise(region.address + offset, size, Int32(CL_MADV_COLLAPSE))
        }
    }
}
