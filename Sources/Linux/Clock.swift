// The clocks, read in the shells only.

import Glibc
package import Wire

/// Reads the kernel's clocks.
package enum Clock {
    /// The monotonic clock, the time of every state machine.
    @inline(__always)
    package static var now: Instant {
        var time = timespec()
        // Sound: the call fills the structure it is lent.
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// Sleeps until a point of the monotonic clock. Signals do not end it early.
    package static func sleep(until instant: Instant) {
        var time = timespec(
            tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
        // Sound: the call reads the structure it is lent.
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }

    /// The processor time this thread has used so far, in nanoseconds; a system call.
    package static var threadTime: Int64 {
        var time = timespec()
        // Sound: the call fills the structure it is lent.
        _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// This process, as `ps` shows it.
    package static var processID: Int32 { getpid() }

    /// Wall-clock time since 1970 in microseconds: for log records, never for decisions.
    package static var wallMicroseconds: Int64 {
        var time = timespec()
        // Sound: the call fills the structure it is lent.
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
