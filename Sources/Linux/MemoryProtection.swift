// Keeping memory with secrets out of swap and cores.

import CLinux
import Glibc
package import Wire

/// How well a mapping with secrets is protected, the best first.
package enum MemoryProtection: String, Hashable, Sendable, CaseIterable {
    /// Only processes that map it can see it: memfd_secret(2).
    case secret
    /// Never in swap, never in a core: mlock(2), MADV_DONTDUMP.
    case locked
    /// Never in a core; the limit of locked memory (RLIMIT_MEMLOCK) did not allow more.
    case excluded

    /// Protects a mapping as well as the process may.
    ///
    /// - Parameter isSecret: it is of a file that ``Memfd/secret(size:)`` made: there is nothing to be done.
    /// - Throws: `Errno` when it cannot even be kept out of cores.
    package static func protect(_ region: MemoryRegion, _ isSecret: Bool = false) throws(Errno) -> MemoryProtection {
        if isSecret { return .secret }
        // Sound: the region is mapped for good, so both calls name memory of this process.
        try check("madvise MADV_DONTDUMP") {
            unsafe madvise(region.address, region.count, Int32(MADV_DONTDUMP))
        }
        // Pages are locked when they are touched: what no session uses takes no memory.
        let locked = unsafe cl_mlock_on_fault(region.address, region.count)
        return locked == 0 ? .locked : .excluded
    }
}
