// Children that came to this process because their own parent ended.

import CLinux
import Glibc
package import Wire

/// Grandchildren: the parent of the process that started them takes them over, when it asked for that.
package enum Orphans {
    /// Children whose parent ends come to this process from now on, and no longer to the first one of the system.
    package static func adopt() throws(Errno) {
        try check("prctl PR_SET_CHILD_SUBREAPER") { cl_prctl(Int32(CL_PR_SET_CHILD_SUBREAPER), 1, 0, 0, 0) }
    }

    /// Whether a process is a child of this one.
    package static func isChild(_ pid: Int32) -> Bool { pid > 0 && cl_is_child(pid) == 1 }

    /// Reaps one child that has ended.
    ///
    /// - Returns: which, and what wait(2) says; `nil`: none has.
    package static func next() -> (pid: Int32, status: Int32)? {
        var status: Int32 = 0
        // Sound: the status lives on the stack for the duration of the call.
        let pid = unsafe waitpid(-1, &status, WNOHANG)
        return pid > 0 ? (pid, status) : nil
    }

    /// Whether this process has children, ended or not.
    package static var haveCome: Bool { cl_ended_child() >= 0 }

    /// Octets of the kernel's list of a process's children.
    private static let listLimit = 1 << 20

    /// The children of the main thread of a process, ended or not (`/proc/PID/task/PID/children`); empty when the kernel
    /// keeps no such list.
    package static func children(of pid: Int32) -> [Int32] {
        let list = (try? File.read("/proc/\(pid)/task/\(pid)/children", limit: listLimit)) ?? []
        return String(decoding: list, as: UTF8.self).split(separator: " ").compactMap { Int32($0) }
    }

    /// Waits for all children to end, and reaps them.
    package static func reapAll(until deadline: Instant) {
        while cl_ended_child() >= 0, Clock.now < deadline {
            reap(except: [])
            ProcessSelf.pause(.milliseconds(2))
        }
    }

    /// Most that are reaped in one call.
    private static let most = 64

    /// Reaps children that have ended, but none that somebody waits for.
    package static func reap(except known: Set<Int32>) {
        for _ in 0..<most {
            let pid = cl_ended_child()
            guard pid > 0, !known.contains(pid) else { return }
            var status: Int32 = 0
            // Sound: the status lives on the stack for the duration of the call.
            guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return }
        }
    }
}
