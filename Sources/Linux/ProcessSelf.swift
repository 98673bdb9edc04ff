// What a process asks of the kernel about itself.

import CLinux
import Glibc
import Wire

/// This process.
package enum ProcessSelf {
    package static var pid: Int32 { getpid() }
    package static var parent: Int32 { getppid() }

    /// A pidfd: readable when that process has ended.
    package static func descriptor(of pid: Int32) throws(Errno) -> Int32 {
        try check("pidfd_open \(pid)") { cl_pidfd_open(pid) }
    }

    /// Whether a process of that number is there, ended but not reaped included.
    package static func isThere(_ pid: Int32) -> Bool { pid > 0 && (Glibc.kill(pid, 0) == 0 || errno != ESRCH) }

    /// Sends a signal to a process that may be gone by now.
    package static func send(_ signal: Int32, to pid: Int32) {
        if pid > 1 { Glibc.kill(pid, signal) }
    }

    /// The file of the program that runs here, also when something else has its path by now. A process may always ask this of
    /// itself, and of one of another user only with rights that nobody here has.
    package static var program: File.Identity? { File.identity("/proc/self/exe") }

    /// The name `ps` and `top` show; at most 15 octets are kept.
    package static func setName(_ name: String) {
        // Sound: the kernel copies at most 16 octets of the terminated string during the call. It cannot fail otherwise.
        _ = unsafe name.withCString { cl_prctl(Int32(PR_SET_NAME), UInt(bitPattern: $0), 0, 0, 0) }
    }

    /// Keeps every page that is ever touched in memory.
    package static func lockMemory() throws(Errno) {
        try check("mlockall") { mlockall(Int32(CL_MCL_CURRENT | CL_MCL_FUTURE | CL_MCL_ONFAULT)) }
    }

    /// Runs the calling thread before all ordinary ones (`SCHED_RR`), but none it starts later.
    ///
    /// - Parameter priority: 1...99.
    package static func setRealtime(priority: Int32) throws(Errno) {
        try check("sched_setscheduler SCHED_RR") {
            cl_set_realtime(0, Int32(CL_SCHED_RR | CL_SCHED_RESET_ON_FORK), priority)
        }
    }

    /// Runs a thread of another process before all ordinary ones (`SCHED_RR`), but none it starts later.
    ///
    /// - Parameter priority: 1...99.
    /// - Throws: `Errno`; `ESRCH` when the process has no such thread.
    package static func setRealtime(thread: Int32, of process: Int32, priority: Int32) throws(Errno) {
        // Whoever asks for it names the number himself.
        try check("tgkill \(process) \(thread)") { cl_tgkill(process, thread, 0) }
        try check("sched_setscheduler SCHED_RR \(thread)") {
            cl_set_realtime(thread, Int32(CL_SCHED_RR | CL_SCHED_RESET_ON_FORK), priority)
        }
    }

    /// The kernel's number of the calling thread.
    package static var thread: Int32 { cl_gettid() }

    /// Runs the calling thread like all ordinary ones (`SCHED_OTHER`).
    package static func setOrdinary() throws(Errno) {
        // The flag may be taken back only by who has the right to; it means nothing for an ordinary thread.
        try check("sched_setscheduler SCHED_OTHER") { cl_set_realtime(0, Int32(CL_SCHED_RESET_ON_FORK), 0) }
    }

    /// The value of an environment variable.
    package static func environment(_ name: String) -> String? {
        // Sound: the string is copied at once, and nothing in this program changes the environment.
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// The whole environment, `NAME=value`.
    package static var environment: [String] {
        var all: [String] = []
        // Sound: the vector ends with a null pointer, its strings are copied at once, and nothing in this program changes them.
        var next = unsafe Glibc.environ
        while let entry = unsafe next.pointee {
            unsafe all.append(String(cString: entry))
            unsafe next += 1
        }
        return all
    }

    /// Becomes another program: its number, its children and every descriptor that is not close-on-exec stay.
    ///
    /// - Throws: `Errno` when the kernel refuses; nothing has changed then.
    package static func execute(_ path: String, arguments: [String], environment: [String]) throws(Errno) -> Never {
        // Sound: the vectors are terminated, and live until the call returns, which it does only when it fails.
        let failure: Errno = unsafe Process.withCStrings(arguments) { arguments in
            unsafe Process.withCStrings(environment) { environment in
                unsafe execve(path, arguments, environment)
                return Errno.last("execve \(path)")
            }
        }
        throw failure
    }

    /// Does nothing for a while: for commands that people look at and threads that nobody waits for.
    package static func pause(_ duration: Duration) {
        _ = poll(nil, 0, Int32(clamping: duration.wholeMilliseconds))
    }

    /// Ends this process at once, without running anything more of it.
    package static func exit(_ status: Int32) -> Never { _exit(status) }

    /// Gives memory that was freed back to the kernel, in whole pages, out of every thread's heap.
    ///
    /// A thread that allocates meanwhile may have to wait for it.
    package static func returnFreeMemory() { _ = cl_malloc_trim() }
}
