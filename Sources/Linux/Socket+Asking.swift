// What a socket has to tell at this moment, without waiting for a poller.

import Glibc

extension Socket {
    /// What the kernel would tell of a socket now: the bits of poll(2), which are those of epoll (POLLIN 1, POLLOUT 4,
    /// POLLERR 8, POLLHUP 16, POLLRDHUP 8192).
    fileprivate static func told(_ number: Int32) -> UInt32 {
        var wanted = pollfd(fd: number, events: Int16(bitPattern: 0x2005), revents: 0)
        // Sound: the entry lives on the stack for the duration of the call. Interrupted, it tells nothing, as an event that is
        // not there yet.
        guard unsafe poll(&wanted, 1, 0) > 0 else { return 0 }
        return UInt32(UInt16(bitPattern: wanted.revents))
    }
}

extension EdgePoller.Event {
    /// What the kernel tells of a socket now.
    package init(asking number: Int32, tag: UInt64) { self.init(bits: Socket.told(number), tag: tag) }
}

extension EventLoop.Readiness {
    /// What a socket is ready for now.
    package init(asking number: Int32) { self.init(rawValue: Socket.told(number)) }
}
