// The event loop of the control planes: one epoll, timers, and descriptors drained before a timer is judged.

import CLinux
import Glibc
package import Wire

/// Waits for descriptors and deadlines on one thread, and calls handlers.
///
/// For supervisor, `vip` and the balancer's main thread; the data plane has its own. A turn first serves every descriptor
/// that is ready, then asks the kernel once more before it fires a due timer: news that is already here always comes
/// before the conclusion that none came (`reference/keepalived.md`, 7).
package final class EventLoop {
    /// What a descriptor is ready for.
    package struct Readiness: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let readable = Readiness(rawValue: UInt32(CL_EPOLLIN))
        package static let writable = Readiness(rawValue: UInt32(CL_EPOLLOUT))
        /// Hung up or failed; always reported.
        package static let closed = Readiness(rawValue: UInt32(CL_EPOLLHUP) | UInt32(CL_EPOLLERR))
    }

    /// Names a scheduled timer.
    package struct Timer: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private let epoll: FileDescriptor
    private var handlers: [Int32: (generation: UInt32, handler: (Readiness) -> Void)] = [:]
    private var generation: UInt32 = 0
    private var timers: [Timer: (deadline: Instant, action: () -> Void)] = [:]
    private var queue: [(deadline: Instant, timer: Timer)] = []
    private var nextTimer: UInt64 = 0
    private var stopped = false
    private var events: [cl_epoll_event]

    /// How late the last timer fired: the scheduling delay of this process.
    package private(set) var lastLateness: Duration = .zero
    /// The latest any timer has fired since the start.
    package private(set) var worstLateness: Duration = .zero

    package init() throws(Errno) {
        epoll = FileDescriptor(owning: try check("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        events = Array(repeating: cl_epoll_event(), count: 64)
    }

    // MARK: Descriptors

    /// Calls `handler` whenever the descriptor is ready for something in `interest`. The caller keeps it open until
    /// ``remove(_:)``.
    package func add(_ number: Int32, _ interest: Readiness, _ handler: @escaping (Readiness) -> Void) throws(Errno) {
        generation &+= 1
        try control(EPOLL_CTL_ADD, number, interest, generation)
        handlers[number] = (generation, handler)
    }

    /// Changes what a registered descriptor is waited for.
    ///
    /// - Throws: `Errno` of epoll_ctl.
    package func modify(_ number: Int32, _ interest: Readiness) throws(Errno) {
        guard let entry = handlers[number] else { return }
        try control(EPOLL_CTL_MOD, number, interest, entry.generation)
    }

    /// Forgets a descriptor, before it is closed.
    package func remove(_ number: Int32) {
        guard handlers.removeValue(forKey: number) != nil else { return }
        var event = cl_epoll_event()
        // Sound: the event lives on the stack for the duration of the call.
        _ = unsafe cl_epoll_ctl(epoll.number, EPOLL_CTL_DEL, number, &event)
    }

    private func control(_ operation: Int32, _ number: Int32, _ interest: Readiness, _ generation: UInt32) throws(Errno)
    {
        var event = cl_epoll_event()
        event.events = interest.rawValue
        event.data = UInt64(generation) << 32 | UInt64(UInt32(bitPattern: number))
        // Sound: the event lives on the stack for the duration of the call.
        try check("epoll_ctl") { unsafe cl_epoll_ctl(epoll.number, operation, number, &event) }
    }

    // MARK: Timers

    /// Calls `action` once, at or soon after `deadline`.
    @discardableResult
    package func schedule(at deadline: Instant, _ action: @escaping () -> Void) -> Timer {
        nextTimer += 1
        let timer = Timer(number: nextTimer)
        timers[timer] = (deadline, action)
        let index = queue.firstIndex { $0.deadline > deadline } ?? queue.count
        queue.insert((deadline, timer), at: index)
        return timer
    }

    /// Forgets a timer; one that has fired already, or `nil`, is nothing to forget.
    package func cancel(_ timer: Timer?) {
        guard let timer, timers.removeValue(forKey: timer) != nil else { return }
        queue.removeAll { $0.timer == timer }
    }

    // MARK: Running

    /// Serves until ``stop()``.
    package func run() throws(Errno) {
        stopped = false
        while !stopped { try turn() }
    }

    /// Leaves ``run()`` after the handler that is running now.
    package func stop() { stopped = true }

    /// Waits at most until the next deadline (or `limit`), serves what is ready, then fires what is due.
    package func turn(limit: Duration? = nil) throws(Errno) {
        var wait: Int64 = -1
        if let limit { wait = max(0, limit.nanoseconds) }
        if let next = queue.first {
            let remaining = Self.punctualWait(max(0, (next.deadline - Clock.now).nanoseconds))
            wait = wait < 0 ? remaining : min(wait, remaining)
        }
        try poll(waiting: wait)
        guard let next = queue.first, next.deadline <= Clock.now, !stopped else { return }
        // What is already here comes before the judgement that it is late.
        try poll(waiting: 0)
        fire()
    }

    /// How long to wait at first for something that far away.
    ///
    /// The kernel takes up to a two-hundredth of a wait for granted as imprecision, unless the process has a real-time
    /// priority: 15 ms of 3 s. The last hundredth is waited for anew, and of that little is taken.
    private static func punctualWait(_ remaining: Int64) -> Int64 {
        remaining > shortWait ? remaining - remaining / 100 : remaining
    }

    /// Of a shorter wait, in nanoseconds, the kernel's imprecision is less than the 50 µs it allows itself in any case.
    private static let shortWait: Int64 = 10_000_000

    private func poll(waiting nanoseconds: Int64) throws(Errno) {
        // Sound: the events are this loop's own memory, lent with their number for the duration of the call.
        let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
            unsafe cl_epoll_wait(epoll.number, buffer.baseAddress, Int32(buffer.count), nanoseconds)
        }
        if count < 0 {
            if cl_errno() == EINTR { return }
            throw .last("epoll_wait")
        }
        for index in 0..<Int(count) where !stopped {
            let event = events[index]
            let number = Int32(bitPattern: UInt32(truncatingIfNeeded: event.data))
            // An earlier handler of this turn may have removed it, and another may have got its number.
            guard let entry = handlers[number], entry.generation == UInt32(event.data >> 32) else { continue }
            entry.handler(Readiness(rawValue: event.events))
        }
    }

    private func fire() {
        let now = Clock.now
        while let next = queue.first, next.deadline <= now, !stopped {
            queue.removeFirst()
            guard let entry = timers.removeValue(forKey: next.timer) else { continue }
            lastLateness = now - next.deadline
            worstLateness = max(worstLateness, lastLateness)
            entry.action()
        }
    }
}
