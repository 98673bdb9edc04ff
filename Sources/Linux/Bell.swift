// A way to wake a thread that waits on descriptors.

import CLinux
import Glibc
package import Wire

/// An eventfd: readable from the first ring until it is silenced.
package final class Bell: Sendable {
    private let descriptor: FileDescriptor

    package init() throws(Errno) {
        descriptor = FileDescriptor(
            owning: try check("eventfd") { eventfd(0, Int32(CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)) })
    }

    /// The descriptor to wait on, for reading.
    package var number: Int32 { descriptor.number }

    /// Makes the descriptor readable, from any thread, without blocking.
    package func ring() {
        // An eventfd refuses only when its counter is full: then it is readable anyway.
        _ = eventfd_write(descriptor.number, 1)
    }

    /// Makes the descriptor unreadable until the next ring.
    package func silence() {
        var count: eventfd_t = 0
        // Sound: the count lives on the stack for the duration of the call. Nothing to read means it is silent already.
        _ = unsafe eventfd_read(descriptor.number, &count)
    }

    /// Waits until it rings, at most until `deadline`, and silences it.
    package func wait(until deadline: Instant?) {
        var wanted = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
        let milliseconds = deadline.map { max(1, min(60_000, ($0 - Clock.now).wholeMilliseconds + 1)) } ?? -1
        // Sound: the structure lives on the stack for the duration of the call.
        _ = unsafe poll(&wanted, 1, Int32(milliseconds))
        silence()
    }
}
