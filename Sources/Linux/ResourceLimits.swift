// Limits the kernel sets to a process.

import CLinux
import Glibc

/// The limits this program cares about (getrlimit(2)).
package enum ResourceLimits {
    /// A soft and a hard limit.
    package struct Limit: Hashable, Sendable {
        package var soft: UInt64
        package var hard: UInt64
    }

    /// How many descriptors this process may have open.
    package static func openFiles() throws(Errno) -> Limit { try get(Int32(CL_RLIMIT_NOFILE), "RLIMIT_NOFILE") }

    /// Makes room for `wanted` open descriptors, and returns how many there may be now. Never lowers anything.
    ///
    /// - Throws: `Errno` with the numbers when the hard limit is lower and may not be raised.
    @discardableResult
    package static func raiseOpenFiles(to wanted: UInt64) throws(Errno) -> UInt64 {
        let limit = try openFiles()
        if limit.soft >= wanted { return limit.soft }
        let hard = max(limit.hard, wanted)
        if cl_setrlimit(Int32(CL_RLIMIT_NOFILE), wanted, hard) != 0 {
            throw .last("setrlimit RLIMIT_NOFILE \(wanted), where the hard limit is \(limit.hard)")
        }
        return wanted
    }

    /// A crash writes no core: it would hold the sockets and delay the successor.
    package static func forbidCore() throws(Errno) {
        try check("setrlimit RLIMIT_CORE") { cl_setrlimit(Int32(CL_RLIMIT_CORE), 0, 0) }
    }

    /// Makes sure that locked memory has no limit.
    ///
    /// Without this, a process that locked what it will have, and gave up the right to lock without limit, is refused
    /// its next allocation.
    ///
    /// - Throws: `Errno` when there is a limit that may not be raised.
    package static func unlimitLockedMemory() throws(Errno) {
        let name = "RLIMIT_MEMLOCK"
        if try get(Int32(CL_RLIMIT_MEMLOCK), name).soft == .max { return }
        try check("setrlimit \(name)") { cl_setrlimit(Int32(CL_RLIMIT_MEMLOCK), .max, .max) }
    }

    /// How long the calling process may compute at real-time priority without waiting once, in microseconds: a loop
    /// that runs away would otherwise keep the machine for itself. The kernel ends the process then.
    package static func limitRealtime(microseconds: UInt64) throws(Errno) {
        try check("setrlimit RLIMIT_RTTIME") { cl_setrlimit(Int32(CL_RLIMIT_RTTIME), microseconds, microseconds) }
    }

    /// Lets the calling process choose any real-time priority later, without a right of its own for it.
    ///
    /// - Throws: `Errno` when there is a limit that may not be raised.
    package static func unlimitRealtimePriority() throws(Errno) {
        try check("setrlimit RLIMIT_RTPRIO") { cl_setrlimit(Int32(CL_RLIMIT_RTPRIO), 99, 99) }
    }

    private static func get(_ resource: Int32, _ name: String) throws(Errno) -> Limit {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        // Sound: both live on the stack for the duration of the call.
        try check("getrlimit \(name)") { unsafe cl_getrlimit(resource, &soft, &hard) }
        return Limit(soft: soft, hard: hard)
    }
}
