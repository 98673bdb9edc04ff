// Which refusals of the kernel are for want of something of our own.

import Glibc

extension Errno {
    /// Whether a socket could not have the source address it was to have, because this host does not have it (now).
    package var isAbsentSource: Bool { code == EADDRNOTAVAIL && call.hasPrefix("bind ") }

    /// Whether a connection failed for want of a descriptor, port, memory or permission of ours, and not because of
    /// the other end.
    package var isOwnShortage: Bool {
        switch code {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC, EADDRNOTAVAIL, EAGAIN, EPERM, EACCES: true
        default: false
        }
    }
}
