// Whether an interface forwards IPv6, which its neighbours are told.

import CLinux
import Glibc

extension Interface {
    /// Whether the host forwards IPv6 packets that arrive on this interface; `false` where the kernel does not say.
    ///
    /// Read from procfs, which is memory and never waits.
    package var forwardsIPv6: Bool {
        // Sound: the path is lent for the duration of the call.
        let number = unsafe cl_open("/proc/sys/net/ipv6/conf/\(name)/forwarding", O_RDONLY | O_CLOEXEC, 0)
        guard number >= 0 else { return false }
        let file = FileDescriptor(owning: number)
        guard let text = try? Descriptor.read(file.number, limit: 16) else { return false }
        return text.first.map { $0 != UInt8(ascii: "0") } ?? false
    }
}
