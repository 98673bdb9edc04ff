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

        @inlinable @inline(__always)
        init(bits: UInt32, tag: UInt64) {
            self.bits = bits
            self.tag = tag
        }

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

    /// The events of one turn, as they stand in the poller's memory.
    ///
    /// A value of its own, so that the loop over them has their place and number at hand; valid until the poller waits again.
    @safe
    package struct Told {
        // Sound: `count` events, which are not more than the poller's memory holds; each access checks its index.
        @usableFromInline let memory: UnsafeMutableRawPointer
        /// How many there are.
        @usableFromInline package let count: Int

        @usableFromInline
        init(memory: UnsafeMutableRawPointer, count: Int) {
            unsafe self.memory = unsafe memory
            self.count = count
        }

        // struct epoll_event, which what is inlined in other modules cannot name: its bits first, its tag behind them, packed on
        // x86-64 alone (epoll_event(3type)). `EdgePoller.checkShape` compares this with the header's.
        #if arch(x86_64)
            @inlinable static var stride: Int { @inline(__always) get { 12 } }
            @inlinable static var tagOffset: Int { @inline(__always) get { 4 } }
        #else
            @inlinable static var stride: Int { @inline(__always) get { 16 } }
            @inlinable static var tagOffset: Int { @inline(__always) get { 8 } }
        #endif

        /// What was told, in no order.
        @inlinable @inline(__always)
        package subscript(_ index: Int) -> Event {
            precondition(index >= 0 && index < count)
            // Sound: an event within their number.
            let place = unsafe memory + index &* Self.stride
            return unsafe Event(
                bits: place.loadUnaligned(as: UInt32.self), tag: place.loadUnaligned(fromByteOffset: Self.tagOffset, as: UInt64.self))
        }

        /// The event was served: should this process die, its successor need not serve it.
        @inlinable @inline(__always)
        package func forget(_ index: Int) {
            precondition(index >= 0 && index < count)
            // Sound: as above.
            unsafe memory.storeBytes(of: 0, toByteOffset: index &* Self.stride &+ Self.tagOffset, as: UInt64.self)
        }
    }

    private let epoll: FileDescriptor
    // Sound: `batch` events of a mapping that is never unmapped, or of memory that is freed with this.
    private let events: UnsafeMutablePointer<cl_epoll_event>
    private let isShared: Bool
    /// The kernel knows no timeouts in nanoseconds (before Linux 5.11): it is asked once.
    private var isCoarse = false
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
        Self.checkShape()
    }

    /// A set of ``makeLasting()``, or one that a former process left, with the events it had been told of and had not served.
    ///
    /// - Parameter events: ``bytes(batch:)`` bytes; zero, or what the former process left.
    package init(number: Int32, events region: MemoryRegion, batch: Int) {
        epoll = FileDescriptor(owning: number)
        unsafe events = region.bind(to: cl_epoll_event.self, count: batch)
        isShared = true
        self.batch = batch
        Self.checkShape()
    }

    private static func checkShape() {
        precondition(
            MemoryLayout<cl_epoll_event>.stride == Told.stride
                && MemoryLayout<cl_epoll_event>.offset(of: \.data) == Told.tagOffset,
            "the kernel's events have another shape here")
    }

    // Sound: made by `init`, used by this object alone.
    deinit { if !isShared { unsafe events.deallocate() } }

    /// An empty set that outlives the process; its number.
    package static func makeLasting() throws(Errno) -> Int32 { try check("epoll_create1") { epoll_create1(0) } }

    /// Bytes for so many events.
    package static func bytes(batch: Int) -> Int { batch * MemoryLayout<cl_epoll_event>.stride }

    /// Whether a number that a former process left is one of such a set.
    package static func isSet(_ number: Int32) -> Bool {
        // Asked to forget a descriptor that it does not hold but could, a set says that it knows none such, and everything else that it
        // is none. Of one that cannot be waited on, as of /dev/null, both would say just that.
        guard let bell = try? Bell() else { return false }
        return withExtendedLifetime(bell) {
            var event = cl_epoll_event()
            // Sound: the event lives on the stack for the duration of the call.
            return unsafe cl_epoll_ctl(number, EPOLL_CTL_DEL, bell.number, &event) < 0 && cl_errno() == ENOENT
        }
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

    /// Waits at most `nanoseconds`; how many events ``told(_:)`` and ``subscript(_:)`` hold now. All former ones must have been served.
    ///
    /// - Parameter most: events that are told of now, 1 or more; the others are told of first the next time.
    package func wait(nanoseconds: Int64, most: Int = .max) throws(Errno) -> Int {
        let room = Int32(truncatingIfNeeded: min(batch, most))
        // Sound: the events are this poller's own memory, lent with their number for the duration of the call.
        var count =
            unsafe isCoarse
            ? cl_epoll_wait_coarse(epoll.number, events, room, nanoseconds)
            : cl_epoll_wait_fine(epoll.number, events, room, nanoseconds)
        if count >= 0 { return Int(truncatingIfNeeded: count) }
        if count == -Int64(ENOSYS), !isCoarse {
            isCoarse = true
            count = unsafe cl_epoll_wait_coarse(epoll.number, events, room, nanoseconds)
            if count >= 0 { return Int(truncatingIfNeeded: count) }
        }
        if count == -Int64(EINTR) { return 0 }
        throw Errno(Int32(truncatingIfNeeded: -count), "epoll_wait")
    }

    /// The first `count` events: those of the last turn, or all that a former process left.
    package func told(_ count: Int) -> Told {
        precondition(count >= 0 && count <= batch)
        return unsafe Told(memory: UnsafeMutableRawPointer(events), count: count)
    }

    /// One of the events, where their number does not matter.
    package subscript(_ index: Int) -> Event { told(batch)[index] }
}
