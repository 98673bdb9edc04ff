// Gives up rights: user, capabilities, everything a process could get back.

import CLinux
import Glibc

/// A right of the kernel that can be held alone (capabilities(7)).
package enum Capability: Int32, Hashable, Sendable, CaseIterable {
    case setGroup = 6
    case setUser = 7
    case netBindService = 10
    case netAdmin = 12
    case netRaw = 13
    case ipcLock = 14
    case sysNice = 23

    fileprivate var bit: UInt64 { 1 << UInt64(rawValue) }
}

/// What this process may do. Call before the first thread is started: capabilities belong to threads.
package enum Privileges {
    /// Capabilities the kernel may know of; dropping one it does not know is refused with `EINVAL`, which is as good.
    private static let known: Range<Int32> = 0..<64

    package static var isRoot: Bool { geteuid() == 0 }

    /// The capabilities of this thread among those this program knows.
    package static var effective: Set<Capability> {
        let sets = sets
        return Set(Capability.allCases.filter { sets.effective & $0.bit != 0 })
    }

    private static var sets: (effective: UInt64, permitted: UInt64) {
        var effective: UInt64 = 0
        var permitted: UInt64 = 0
        // Sound: both live on the stack for the duration of the call, which always fills them.
        _ = unsafe cl_capget(&effective, &permitted)
        return (effective, permitted)
    }

    /// Becomes `user` when one is given, and keeps of all capabilities at most `kept`, for good.
    ///
    /// The bounding set shrinks first (that needs a right which goes next), then groups and user change while the kept
    /// capabilities are carried over, then the sets are cut. Nothing is inheritable or ambient: nobody is executed.
    ///
    /// - Throws: `Errno` of the first refusal; the process must not go on then.
    package static func drop(to user: User?, keeping kept: Set<Capability>) throws(Errno) {
        let wanted = kept.reduce(UInt64(0)) { $0 | $1.bit }
        let kept = wanted & sets.permitted
        for number in known where wanted & 1 << UInt64(number) == 0 {
            if cl_prctl(Int32(PR_CAPBSET_DROP), UInt(number), 0, 0, 0) != 0, cl_errno() != EINVAL {
                // A container may have started us as root without the right to shrink the set; then it is small already.
                guard cl_errno() == EPERM else { throw .last("prctl PR_CAPBSET_DROP \(number)") }
                break
            }
        }
        try check("prctl PR_CAP_AMBIENT") {
            cl_prctl(Int32(PR_CAP_AMBIENT), UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
        }
        if let user {
            try check("prctl PR_SET_KEEPCAPS") { cl_prctl(Int32(PR_SET_KEEPCAPS), kept == 0 ? 0 : 1, 0, 0, 0) }
            try check("setgroups") { setgroups(0, nil) }
            try check("setresgid \(user.group)") { setresgid(user.group, user.group, user.group) }
            try check("setresuid \(user.identifier)") {
                setresuid(user.identifier, user.identifier, user.identifier)
            }
        }
        try check("capset") { cl_capset(kept, kept, 0) }
        try forbidNew()
    }

    /// Gives up every capability of the calling thread alone but those to be kept, for good, and of the programs it starts.
    package static func dropInThread(keeping kept: Set<Capability> = []) throws(Errno) {
        let kept = kept.reduce(UInt64(0)) { $0 | $1.bit } & sets.permitted
        try check("capset") { cl_capset(kept, kept, 0) }
    }

    /// Does something as another user, in the calling thread alone, and is root again afterwards.
    ///
    /// For starting programs: what is executed meanwhile is that user for good, without any capability, because only the
    /// saved user remains root and an `execve` overwrites it.
    ///
    /// - Throws: the body's error, or `Errno` when this process may not become that user; then nothing was done.
    static func asUser<Result>(_ user: User, _ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        try check("setgroups") { cl_thread_setgroups() }
        try check("setresgid \(user.group)") { cl_thread_setresgid(user.group, user.group, 0) }
        defer {
            // Root again: the saved user is, and nothing can refuse it that user.
            let isRoot = cl_thread_setresuid(0, 0, 0) == 0 && cl_thread_setresgid(0, 0, 0) == 0
            precondition(isRoot, "a thread remains \(user.name)")
        }
        try check("setresuid \(user.identifier)") { cl_thread_setresuid(user.identifier, user.identifier, 0) }
        return try body()
    }

    /// No program this process executes gets more rights than it has (`no_new_privs`), and nobody may look into it.
    package static func forbidNew() throws(Errno) {
        try check("prctl PR_SET_NO_NEW_PRIVS") { cl_prctl(Int32(PR_SET_NO_NEW_PRIVS), 1, 0, 0, 0) }
        try check("prctl PR_SET_DUMPABLE") { cl_prctl(Int32(PR_SET_DUMPABLE), 0, 0, 0, 0) }
    }
}
