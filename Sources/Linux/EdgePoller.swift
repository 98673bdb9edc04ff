// Edge-triggered epoll for the data plane: tags instead of handlers, no allocation.

import CLinux
import Glibc

/// Waits on thousands of sockets and says which of them changed.
///
/// Each descriptor is registered once, for everything and edge-triggered, with a 64-bit tag of the owner's choice.
package final class EdgePoller {
    /// What happened to a socket since it was last told.
    @usableFromInline
    package struct Event {
        @usableFromInline package let bits: UInt32
        @usableFromInline package let tag: UInt64

        // The kernel's numbers (epoll_ctl(2)) as they are: what is inlined in other modules cannot name the header's.
        // EPOLLIN 1, EPOLLOUT 4, EPOLLERR 8, EPOLLHUP 16, EPOLLRDHUP 8192.

        /// Bytes, an end of stream, or an error: reading will tell.
        @inlinable @inline(__always) package var isReadable: Bool { bits & 0x2019 != 0 }
        @inlinable @inline(__always) package var isWritable: Bool { bits & 0x1C != 0 }
        /// The other side will send no more, or the connection is gone: a short read does not mean drained.
        @inlinable @inline(__always) package var isEnding: Bool { bits & 0x2018 != 0 }
        /// Bytes, and nothing else but perhaps room to write: no end, no failure.
        @inlinable @inline(__always) package var isPlain: Bool { bits & ~0x4 == 0x1 }
        /// Reset or failed.
        @inlinable @inline(__always) package var isDead: Bool { bits & 0x18 != 0 }
    }

    private let epoll: FileDescriptor
    private var events: [cl_epoll_event]

    /// - Parameter batch: most events of one turn.
    package init(batch: Int) throws(Errno) {
        epoll = FileDescriptor(owning: try check("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        events = Array(repeating: cl_epoll_event(), count: batch)
    }

    /// Registers a socket, edge-triggered, for reading, writing and the end of the stream.
    package func add(_ number: Int32, tag: UInt64) throws(Errno) {
        try control(number, UInt32(CL_EPOLLIN | CL_EPOLLOUT | CL_EPOLLRDHUP) | CL_EPOLLET, tag)
    }

    /// The same, but for writing: nothing is told of a socket that has nothing to say, where most have not.
    package func addQuiet(_ number: Int32, tag: UInt64) throws(Errno) {
        try control(number, UInt32(CL_EPOLLIN | CL_EPOLLRDHUP) | CL_EPOLLET, tag)
    }

    /// Makes a registration of ``addQuiet(_:tag:)`` a whole one, and tells again what there is to tell.
    package func complete(_ number: Int32, tag: UInt64) throws(Errno) {
        try control(number, UInt32(CL_EPOLLIN | CL_EPOLLOUT | CL_EPOLLRDHUP) | CL_EPOLLET, tag, EPOLL_CTL_MOD)
    }

    /// Registers a descriptor, level-triggered, for reading.
    package func addLevel(_ number: Int32, tag: UInt64) throws(Errno) {
        try control(number, UInt32(CL_EPOLLIN), tag)
    }

    /// Forgets a descriptor, before it is closed.
    package func remove(_ number: Int32) {
        var event = cl_epoll_event()
        // Sound: the event lives on the stack for the duration of the call.
        _ = unsafe cl_epoll_ctl(epoll.number, EPOLL_CTL_DEL, number, &event)
    }

    private func control(
        _ number: Int32, _ bits: UInt32, _ tag: UInt64, _ operation: Int32 = EPOLL_CTL_ADD
    ) throws(Errno) {
        var event = cl_epoll_event(events: bits, data: tag)
        // Sound: the event lives on the stack for the duration of the call.
        try check("epoll_ctl") { unsafe cl_epoll_ctl(epoll.number, operation, number, &event) }
    }

    /// Waits at most `nanoseconds`; how many events ``subscript(_:)`` holds now.
    package func wait(nanoseconds: Int64) throws(Errno) -> Int {
        // Sound: the events are this poller's own memory, lent with their number for the duration of the call.
        let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
            unsafe cl_epoll_wait(epoll.number, buffer.baseAddress, Int32(buffer.count), nanoseconds)
        }
        if count >= 0 { return Int(count) }
        if cl_errno() == EINTR { return 0 }
        throw .last("epoll_wait")
    }

    package subscript(_ index: Int) -> Event { Event(bits: events[index].events, tag: events[index].data) }
}
