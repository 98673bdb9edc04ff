// Starts programs with chosen descriptors, and learns of their end through the event loop.

import CLinux
import Glibc
import Wire

/// A child process of this one.
///
/// Its end is learned from a pidfd, so it is never confused with another process of the same number. Kept until its exit
/// was reported; letting go of it earlier neither ends nor reaps the process.
package final class Process {
    /// How a process ended.
    package enum Ending: Hashable, Sendable, CustomStringConvertible {
        case exited(Int32)
        /// Ended by this signal.
        case signaled(Int32)
        /// Somebody else has reaped it, and was told how it ended.
        case unknown

        package var isClean: Bool { self == .exited(0) }

        package var description: String {
            switch self {
            case .exited(let status): "exit status \(status)"
            case .signaled(let signal): "signal \(signal) (\(Signals.name(signal)))"
            case .unknown: "nobody knows how"
            }
        }

        /// What wait(2) said.
        package init(status: Int32) {
            let signal = status & 0x7F
            self = signal == 0 ? .exited(status >> 8 & 0xFF) : .signaled(signal)
        }
    }

    /// What to start.
    package struct Launch: Sendable {
        /// The executable; never searched for in `PATH`.
        package var path: String
        /// The arguments, the program's name first.
        package var arguments: [String]
        /// The whole environment, `NAME=value`.
        package var environment: [String]
        /// Descriptors of this process by the number the child finds them at. Everything else from 3 up is closed.
        package var descriptors: [Int32: Int32] = [:]
        /// The child also gets every descriptor that is not close-on-exec, under its number.
        package var inheritsDescriptors = false
        /// Whom it runs as, without any capability; `nil`: as who we are. Needs the rights to set user and groups.
        package var user: User?
        /// In a session of its own, so that a terminal's interrupt does not reach it.
        package var newSession = true

        package init(path: String, arguments: [String], environment: [String] = []) {
            self.path = path
            self.arguments = arguments
            self.environment = environment
        }

        /// This program again, in the very version that runs now, even when its file was replaced since.
        package static func itself(arguments: [String], environment: [String]) -> Launch {
            Launch(path: "/proc/self/exe", arguments: ["understudy"] + arguments, environment: environment)
        }
    }

    package let pid: Int32
    /// A pidfd; of a process that is gone already, something that is readable as that would be.
    private let descriptor: FileDescriptor
    /// Its parent is another process, which reaps it.
    private let isForeign: Bool
    private var ending: Ending?

    /// Starts a program. It begins with default signal handlers and nothing blocked.
    package init(_ launch: Launch) throws(Errno) {
        let child: Int32
        if let user = launch.user, user.identifier != 0 {
            child = try Privileges.asUser(user) { () throws(Errno) in try Self.spawn(launch) }
        } else {
            child = try Self.spawn(launch)
        }
        pid = child
        isForeign = false
        // Not yet reaped, so the number is still that of our child.
        let number = cl_pidfd_open(child)
        guard number >= 0 else {
            let failure = Errno.last("pidfd_open \(child)")
            Glibc.kill(child, SIGKILL)
            throw failure
        }
        descriptor = FileDescriptor(owning: number)
    }

    /// Takes over a process that somebody else started and that has become a child of this one (``Orphans``).
    ///
    /// - Throws: `Errno`; `ECHILD` when it is none, or not yet.
    package init(adopting pid: Int32) throws(Errno) {
        guard Orphans.isChild(pid) else { throw Errno(ECHILD, "waitid \(pid)") }
        self.pid = pid
        isForeign = false
        // A child that is not reaped yet keeps its number.
        descriptor = FileDescriptor(owning: try check("pidfd_open \(pid)") { cl_pidfd_open(pid) })
    }

    /// Takes over a process that another one of this host is the parent of, and reaps: how it ends is not learned.
    ///
    /// - Parameter parent: in a position to reap it; the number is believed only while it is a child of that process.
    /// - Throws: `Errno`; `ECHILD` when it is none.
    package init(following pid: Int32, childOf parent: Int32) throws(Errno) {
        self.pid = pid
        isForeign = true
        descriptor = FileDescriptor(owning: try check("pidfd_open \(pid)") { cl_pidfd_open(pid) })
        // Asked afterwards: what is in the list now is what the descriptor means.
        guard Orphans.children(of: parent).contains(pid) else { throw Errno(ECHILD, "children of \(parent)") }
    }

    /// A process that is known to be gone: its end is reported as that of any other.
    package init(departed pid: Int32) throws(Errno) {
        self.pid = pid
        isForeign = true
        descriptor = FileDescriptor(owning: try check("eventfd") { eventfd(1, Int32(CL_EFD_CLOEXEC)) })
    }

    /// The pidfd, readable when the process has ended; valid as long as this is.
    package var end: Int32 { descriptor.number }

    // MARK: Ending

    /// Calls `handler` once when the process has ended, after reaping it.
    package func watch(on loop: EventLoop, _ handler: @escaping (Ending) -> Void) throws(Errno) {
        let number = descriptor.number
        try loop.add(number, .readable) { [self] _ in
            guard let ending = reap() else { return }
            loop.remove(number)
            handler(ending)
        }
    }

    /// Calls `handler` once when the process has ended, and reaps it some time later: where the handler's work is urgent. To reap a
    /// process takes the kernel tens of milliseconds when somebody has just looked at thousands of its descriptors (proc(5)).
    package func watch(on loop: EventLoop, reapingAfter pause: Duration, _ handler: @escaping (Ending) -> Void) throws(Errno) {
        let number = descriptor.number
        try loop.add(number, .readable) { [self] _ in
            guard let ending = learn(reaping: false) else { return }
            loop.remove(number)
            handler(ending)
            loop.schedule(at: Clock.now + pause) { [self] in
                var signal: Int32 = 0
                var status: Int32 = 0
                // Sound: both live on the stack for the duration of the call.
                _ = unsafe cl_reap(descriptor.number, &signal, &status)
            }
        }
    }

    /// How the process ended; `nil` while it runs. The first answer reaps it; a process that was reaped elsewhere has ended in
    /// an unknown way.
    package func reap() -> Ending? { learn(reaping: true) }

    private func learn(reaping: Bool) -> Ending? {
        if let ending { return ending }
        if isForeign {
            if Descriptor.isReadable(descriptor.number) { ending = .unknown }
            return ending
        }
        var signal: Int32 = 0
        var status: Int32 = 0
        // Sound: both live on the stack for the duration of the call.
        let answer = unsafe reaping
            ? cl_reap(descriptor.number, &signal, &status) : cl_look(descriptor.number, &signal, &status)
        switch answer {
        case 1: ending = signal == 0 ? .exited(status) : .signaled(signal)
        case -1 where cl_errno() == ECHILD: ending = .unknown
        // It runs, or the call was interrupted.
        default: break
        }
        return ending
    }

    /// Sends a signal, unless the process is known to have ended. It never reaches another process of the same number.
    ///
    /// - Throws: `Errno`: `EPERM`; `ESRCH` when it has ended and somebody else has reaped it.
    package func send(_ signal: Int32) throws(Errno) {
        guard ending == nil else { return }
        // Of a process that had departed before it was taken over there is no pidfd.
        if isForeign, Descriptor.isReadable(descriptor.number) { return }
        try check("pidfd_send_signal \(pid)") { cl_pidfd_send_signal(descriptor.number, signal) }
    }

    /// Sends a signal to the process and to those of its session that it started; it was launched with
    /// ``Launch/newSession``. Nothing happens when it is known to have ended.
    ///
    /// - Throws: `Errno`, for example `EPERM`.
    package func sendToGroup(_ signal: Int32) throws(Errno) {
        guard ending == nil else { return }
        try check("kill -\(pid)") { Glibc.kill(-pid, signal) }
    }

    // MARK: Starting

    private static func spawn(_ launch: Launch) throws(Errno) -> Int32 {
        // Copies with high numbers, so that putting one into place never overwrites the source of another.
        let lowest: Int32 = 64
        var copies: [(target: Int32, source: Int32)] = []
        defer { for copy in copies { Descriptor.close(copy.source) } }
        for (target, source) in launch.descriptors {
            precondition(target < lowest, "descriptor \(target) is too high for a child")
            copies.append(
                (target, try check("fcntl F_DUPFD_CLOEXEC") { cl_fcntl(source, F_DUPFD_CLOEXEC, Int(lowest)) }))
        }

        var actions = unsafe posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        // Sound: both are initialised before use, destroyed on every way out, and used by this thread only.
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawnattr_init(&attributes)
        defer {
            unsafe posix_spawn_file_actions_destroy(&actions)
            unsafe posix_spawnattr_destroy(&attributes)
        }
        for copy in copies { unsafe posix_spawn_file_actions_adddup2(&actions, copy.source, copy.target) }
        let highest = max(2, launch.descriptors.keys.max() ?? 2)
        if !launch.inheritsDescriptors {
            for number in 3..<max(3, highest) where launch.descriptors[number] == nil {
                unsafe posix_spawn_file_actions_addclose(&actions, number)
            }
            unsafe posix_spawn_file_actions_addclosefrom_np(&actions, highest + 1)
        }

        var all = sigset_t()
        var none = sigset_t()
        unsafe sigfillset(&all)
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        var flags = Int32(POSIX_SPAWN_SETSIGDEF) | Int32(POSIX_SPAWN_SETSIGMASK)
        if launch.newSession { flags |= Int32(CL_SPAWN_SETSID) }
        unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

        var pid: Int32 = -1
        // Sound: the vectors are terminated, and live until the call returns.
        let code = unsafe withCStrings(launch.arguments) { arguments in
            unsafe withCStrings(launch.environment) { environment in
                unsafe posix_spawn(&pid, launch.path, &actions, &attributes, arguments, environment)
            }
        }
        guard code == 0 else { throw Errno(code, "posix_spawn \(launch.path)") }
        return pid
    }

    /// Lends the strings as a vector that ends with a null pointer.
    @unsafe
    static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        // Sound: every pointer is freed once, after the body has returned.
        let pointers = unsafe strings.map { unsafe strdup($0) }
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return unsafe body(pointers + [nil])
    }
}
