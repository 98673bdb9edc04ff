// What a process may ask the kernel for: an allow-list of system calls (seccomp(2)).

import CLinux
import Glibc
import Wire

/// A bounded list of system calls. Everything else is refused with `EPERM` and written to the kernel's audit log.
///
/// Refused, not killed: a call that the list forgot costs one function, not every session on the host; and who was captured
/// gains nothing by it either way. The filter is inherited by threads, by `clone` and by `execve`, and cannot be taken off: a
/// successor lives under its predecessor's list, so the list is part of what two versions of the program compare
/// (``signature``).
package struct SystemCallFilter: Sendable {
    /// A rule about one argument of a call.
    private enum Condition: Sendable {
        /// None of these bits are set in the lower half of the argument.
        case without(argument: UInt32, bits: UInt32)
        /// The lower half of the argument is one of these.
        case oneOf(argument: UInt32, values: [UInt32])
    }

    private var calls: [Int32]
    private var conditions: [(call: Int32, condition: Condition)]

    // MARK: The lists

    /// What a balancer, its holder and its successor need: sockets of the Internet and of this host, files for reading, memory,
    /// threads, the start of the same program.
    ///
    /// No way to write a file, to mount, trace, load, reboot, change user or namespace, no raw socket.
    package static let balancer = SystemCallFilter(
        calls: hot + memory + secrets + threads + descriptors + sockets + process + start,
        conditions: [
            // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND: nothing is written.
            (SYS_openat_number, .without(argument: 2, bits: 0o3 | 0o100 | 0o1000 | 0o2000)),
            // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK.
            (number(SYS_socket), .oneOf(argument: 0, values: [1, 2, 10, 16])),
        ])

    /// What a thread needs that reads the clients' bytes: the same without starting anything, and without memory for secrets, which it
    /// is given.
    package static let loop = SystemCallFilter(
        calls: balancer.calls.filter { !start.contains($0) && !secrets.contains($0) }, conditions: balancer.conditions)

    private static func number(_ value: some BinaryInteger) -> Int32 { Int32(value) }
    private static let SYS_openat_number = number(SYS_openat)

    /// Every message.
    private static let hot: [Int32] = [
        SYS_recvfrom, SYS_sendto, SYS_epoll_pwait2, SYS_epoll_ctl, SYS_read, SYS_write, SYS_close, SYS_accept4, SYS_fcntl,
        SYS_futex, SYS_clock_gettime,
    ].map(number)

    private static let memory: [Int32] = [
        SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_brk, SYS_memfd_create, SYS_ftruncate,
    ].map(number)

    /// Memory that nobody else sees, or that is never swapped: for the keys of TLS sessions.
    private static let secrets: [Int32] = [Int32(SYS_memfd_secret), number(SYS_mlock2)]

    private static let threads: [Int32] = [
        SYS_set_robust_list, SYS_set_tid_address, SYS_rseq, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn,
        SYS_sigaltstack, SYS_sched_yield, SYS_sched_getaffinity, SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group,
        SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_getres, SYS_getrandom, SYS_gettimeofday, SYS_restart_syscall,
        SYS_membarrier,
    ].map(number)

    private static let descriptors: [Int32] = {
        var calls: [Int32] = [
            SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_dup,
            SYS_dup3, SYS_pipe2, SYS_eventfd2, SYS_timerfd_create, SYS_timerfd_settime, SYS_signalfd4,
            SYS_epoll_create1, SYS_epoll_pwait, SYS_ppoll, SYS_ioctl, SYS_getdents64, SYS_readlinkat, SYS_faccessat,
            SYS_getcwd, SYS_close_range, SYS_splice,
        ].map(number)
        #if arch(x86_64)
            // The older forms, which the C library still uses there.
            calls += [
                SYS_poll, SYS_epoll_wait, SYS_access, SYS_readlink, SYS_stat, SYS_lstat, SYS_pipe, SYS_dup2,
                SYS_arch_prctl, SYS_time,
            ].map(number)
        #endif
        return calls
    }()

    private static let sockets: [Int32] = [
        SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_shutdown, SYS_getsockopt, SYS_setsockopt,
        SYS_getsockname, SYS_getpeername, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg,
    ].map(number)

    private static let process: [Int32] = [
        SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_prlimit64, SYS_prctl, SYS_wait4,
        SYS_waitid, SYS_kill, SYS_rt_sigtimedwait, SYS_uname, SYS_sysinfo, SYS_getrusage, SYS_times, SYS_seccomp,
        SYS_capget,
    ].map(number)

    /// The holder, threads, and the successor.
    private static let start: [Int32] = [SYS_clone, SYS_clone3, SYS_execve].map(number)

    /// The same number: two versions of the program may live under one another's list.
    package static var signature: UInt64 {
        var bytes: [UInt8] = []
        for filter in [balancer, loop] {
            for word in filter.program { withUnsafeByteList(word) { bytes += $0 } }
        }
        return SipHash(0x5345_4343, 1).hash(bytes.span)
    }

    private static func withUnsafeByteList(_ word: UInt64, _ body: ([UInt8]) -> Void) {
        body((0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) })
    }

    // MARK: The program

    // struct sock_filter as one word: 16 bits code, 8 and 8 bits of jumps, 32 bits constant (linux/filter.h).
    private static func load(_ offset: UInt32) -> UInt64 { 0x20 | UInt64(offset) << 32 }
    private static func jump(equal value: UInt32, yes: Int, no: Int) -> UInt64 { jump(0x15, value, yes, no) }
    private static func jump(anyBit bits: UInt32, yes: Int, no: Int) -> UInt64 { jump(0x45, bits, yes, no) }
    private static func jump(_ code: UInt64, _ value: UInt32, _ yes: Int, _ no: Int) -> UInt64 {
        precondition((0...255).contains(yes) && (0...255).contains(no), "a jump that is too far")
        return code | UInt64(yes) << 16 | UInt64(no) << 24 | UInt64(value) << 32
    }
    private static func answer(_ value: UInt32) -> UInt64 { 0x06 | UInt64(value) << 32 }

    private static let allow: UInt32 = 0x7FFF_0000
    private static let refuse: UInt32 = 0x0005_0000 | UInt32(EPERM)
    /// What no program of ours asks for: calls of another architecture.
    private static let kill: UInt32 = 0x8000_0000
    #if arch(x86_64)
        private static let architecture: UInt32 = 0xC000_003E
    #else
        private static let architecture: UInt32 = 0xC000_00B7
    #endif

    /// The filter in the kernel's language.
    private var program: [UInt64] {
        // Offsets in struct seccomp_data: the number 0, the architecture 4, the arguments from 16 on, low half first.
        var program = [Self.load(4), Self.jump(equal: Self.architecture, yes: 1, no: 0), Self.answer(Self.kill), Self.load(0)]
        for call in calls where !conditions.contains(where: { $0.call == call }) {
            program += [Self.jump(equal: UInt32(call), yes: 0, no: 1), Self.answer(Self.allow)]
        }
        for (call, condition) in conditions {
            var rule: [UInt64] = []
            switch condition {
            case .without(let argument, let bits):
                rule = [
                    Self.load(16 + 8 * argument), Self.jump(anyBit: bits, yes: 0, no: 1), Self.answer(Self.refuse),
                    Self.answer(Self.allow),
                ]
            case .oneOf(let argument, let values):
                rule = [Self.load(16 + 8 * argument)]
                for value in values {
                    rule += [Self.jump(equal: value, yes: 0, no: 1), Self.answer(Self.allow)]
                }
                rule.append(Self.answer(Self.refuse))
            }
            program += [Self.jump(equal: UInt32(call), yes: 0, no: rule.count)] + rule
        }
        return program + [Self.answer(Self.refuse)]
    }

    /// Puts the calling thread, and what it starts from now on, under this filter for good.
    ///
    /// - Throws: `Errno` when the kernel has no such filters, or a container forbids them.
    package func install() throws(Errno) {
        let program = program
        // Sound: the words are lent with their count for the duration of the call, which copies them.
        try check("seccomp SECCOMP_SET_MODE_FILTER") {
            unsafe program.withUnsafeBufferPointer { unsafe cl_install_filter($0.baseAddress, UInt16($0.count)) }
        }
    }
}
