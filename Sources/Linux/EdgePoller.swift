// Edge-triggered epoll for the data plane: tags instead of handlers, no allocation.

import CLinux
import Glibc
package import Wire

/// Waits on thousands of sockets and says which of them changed.
///
/// Each descriptor is registered once, for everything and edge-triggered, with a 64-bit tag of the owner's choice that is not 0.
///
/// A set and its events may outlive the process (``init(number:events:batch:)``): what the kernel has told once it does not tell
/// again, so an event stays in memory until it was served (``forget(_:)``), and a successor serves what is still there first.
@safe
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
    // Sound: `batch` events of a mapping that is never unmapped, or of memory that is freed with this; each access checks its index.
    private let events: UnsafeMutablePointer<cl_epoll_event>
    private let isShared: Bool
    /// Most events of one turn.
    package let batch: Int

    /// A set of this process alone.
    ///
    /// - Parameter batch: most events of one turn.
    package init(batch: Int) throws(Errno) {
        epoll = FileDescriptor(owning: try check("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        unsafe events = .allocate(capacity: batch)
        unsafe events.initialize(repeating: cl_epoll_event(), count: batch)
        isShared = false
        self.batch = batch
    }

    /// A set of ``makeLasting()``, or one that a former process left, with the events it had been told of and had not served.
    ///
    /// - Parameter events: ``bytes(batch:)`` bytes; zero, or what the former process left.
    package init(number: Int32, events region: MemoryRegion, batch: Int) {
        epoll = FileDescriptor(owning: number)
        unsafe events = region.bind(to: cl_epoll_event.self, count: batch)
        isShared = true
        self.batch = batch
    }

    // Sound: made by `init`, used by this object alone.
    deinit { if !isShared { unsafe events.deallocate() } }

    /// An empty set that outlives the process; its number.
    package static func makeLasting() throws(Errno) -> Int32 { try check("epoll_create1") { epoll_create1(0) } }

    /// Bytes for so many events.
    package static func bytes(batch: Int) -> Int { batch * MemoryLayout<cl_epoll_event>.stride }

    /// Whether a number that a former process left is one of such a set.
    package static func isSet(_ number: Int32) -> Bool {
        var event = cl_epoll_event()
        // It holds no set, so a set says that it knows no such descriptor, and everything else that it is none.
        // Sound: the event lives on the stack for the duration of the call.
        return unsafe cl_epoll_ctl(number, EPOLL_CTL_DEL, 0, &event) < 0 && [ENOENT, EPERM].contains(cl_errno())
    }

    /// The set's own number: one set may wait on another.
    package var number: Int32 { epoll.number }

    /// Registers a socket, edge-triggered, for reading, writing and the end of the stream.
    package func add(_ number: Int32, tag: UInt64) throws(Errno) {
        try control(number, UInt32(CL_EPOLLIN | CL_EPOLLOUT | CL_EPOLLRDHUP) | CL_EPOLLET, tag)
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

    private func control(_ number: Int32, _ bits: UInt32, _ tag: UInt64) throws(Errno) {
        var event = cl_epoll_event(events: bits, data: tag)
        // Sound: the event lives on the stack for the duration of the call.
        try check("epoll_ctl") { unsafe cl_epoll_ctl(epoll.number, EPOLL_CTL_ADD, number, &event) }
    }

    /// Waits at most `nanoseconds`; how many events ``subscript(_:)`` holds now. All former ones must have been served.
    ///
    /// - Parameter most: events that are told of now, 1 or more; the others are told of first the next time.
    package func wait(nanoseconds: Int64, most: Int = .max) throws(Errno) -> Int {
        // Sound: the events are this poller's own memory, lent with their number for the duration of the call.
        let count = unsafe cl_epoll_wait(epoll.number, events, Int32(min(batch, most)), nanoseconds)
        if count >= 0 { return Int(count) }
        if cl_errno() == EINTR { return 0 }
        throw .last("epoll_wait")
    }

    package subscript(_ index: Int) -> Event {
        precondition(index >= 0 && index < batch)
        return unsafe Event(bits: events[index].events, tag: events[index].data)
    }

    /// The event was served: should this process die, its successor need not serve it.
    package func forget(_ index: Int) {
        precondition(index >= 0 && index < batch)
        unsafe events[index].data = 0
    }
}
