// Signals as events of the loop, and what they are called.

import CLinux
import Glibc

/// Reads blocked signals from a descriptor.
package final class Signals {
    private let descriptor: FileDescriptor

    /// Blocks the signals in the calling thread and in those it starts later, and reports them to `handler`.
    package init(_ signals: [Int32], on loop: EventLoop, _ handler: @escaping (Int32) -> Void) throws(Errno) {
        var set = try Self.blocked(signals)
        // Sound: the set lives on the stack for the duration of the call.
        let number = try check("signalfd") { unsafe signalfd(-1, &set, Int32(CL_SOCK_NONBLOCK | CL_SOCK_CLOEXEC)) }
        descriptor = FileDescriptor(owning: number)
        try loop.add(number, .readable) { _ in
            while let signal = Self.next(number) { handler(signal) }
        }
    }

    private static func next(_ number: Int32) -> Int32? {
        let size = Int(CL_SIGNAL_INFORMATION_SIZE)
        guard let bytes = try? Descriptor.read(number, limit: size), bytes.count == size else { return nil }
        // ssi_signo is the first field.
        return Int32(bytes[0]) | Int32(bytes[1]) << 8
    }

    /// Blocks signals in the calling thread and in those it starts later.
    package static func block(_ signals: [Int32]) throws(Errno) { _ = try blocked(signals) }

    private static func blocked(_ signals: [Int32]) throws(Errno) -> sigset_t {
        var set = sigset_t()
        // Sound: the set lives on the stack for the duration of the calls.
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        let code = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        guard code == 0 else { throw Errno(code, "pthread_sigmask") }
        return set
    }

    /// A write to a connection that is closed reports `EPIPE` instead of ending the process.
    package static func ignorePipe() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    /// Sends a signal to the calling thread.
    package static func raise(_ signal: Int32) throws(Errno) {
        try check("raise \(signal)") { Glibc.raise(signal) }
    }

    package static let terminate = SIGTERM
    package static let interrupt = SIGINT
    package static let hangUp = SIGHUP
    package static let kill = SIGKILL
    package static let stop = SIGSTOP
    package static let `continue` = SIGCONT
    package static let abort = SIGABRT
    package static let childEnded = SIGCHLD

    /// `SIGKILL` for 9.
    package static func name(_ signal: Int32) -> String {
        let names: [Int32: String] = [
            SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
            SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGSEGV: "SIGSEGV",
            SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM", SIGSYS: "SIGSYS", SIGXCPU: "SIGXCPU",
        ]
        return names[signal] ?? "signal \(signal)"
    }
}
