// The system calls of every message, without the C library's wrappers: those are cancellation points, which costs more
// instructions than everything else that is done for a small message. No logic.
#ifndef CL_DIRECT_H
#define CL_DIRECT_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel's answer as it comes: below 0 an errno, negative. The memory clobber keeps every store before the call before it.
static inline int64_t cl_call6(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
#if defined(__x86_64__)
    int64_t result;
    register int64_t r10 __asm__("r10") = d;
    register int64_t r8 __asm__("r8") = e;
    register int64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register int64_t x8 __asm__("x8") = number;
    register int64_t x0 __asm__("x0") = a;
    register int64_t x1 __asm__("x1") = b;
    register int64_t x2 __asm__("x2") = c;
    register int64_t x3 __asm__("x3") = d;
    register int64_t x4 __asm__("x4") = e;
    register int64_t x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
    int64_t result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
#endif
}

// recv(2) and send(2) on a non-blocking socket; no SIGPIPE.
static inline int64_t cl_receive(int fd, void *bytes, uint64_t count) {
    return cl_call6(SYS_recvfrom, fd, (int64_t)(intptr_t)bytes, (int64_t)count, 0, 0, 0);
}
static inline int64_t cl_give(int fd, const void *bytes, uint64_t count) {
    return cl_call6(SYS_sendto, fd, (int64_t)(intptr_t)bytes, (int64_t)count, MSG_NOSIGNAL, 0, 0);
}
// The same where the end of the stream follows at once: bytes and FIN go as one segment.
static inline int64_t cl_give_last(int fd, const void *bytes, uint64_t count) {
    return cl_call6(SYS_sendto, fd, (int64_t)(intptr_t)bytes, (int64_t)count, MSG_NOSIGNAL | MSG_MORE, 0, 0);
}
// splice(2) between a socket and a pipe, neither of which is waited for. SPLICE_F_MOVE is 1, SPLICE_F_NONBLOCK 2.
static inline int64_t cl_splice(int from, int to, uint64_t count) {
    return cl_call6(SYS_splice, from, 0, to, 0, (int64_t)count, 3);
}

// pipe2 with O_CLOEXEC and O_NONBLOCK; hidden in the Glibc module, which is built without _GNU_SOURCE.
static inline int cl_pipe(int ends[2]) {
    int64_t result = cl_call6(SYS_pipe2, (int64_t)(intptr_t)ends, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0);
    if (result >= 0) return 0;
    errno = (int)-result;
    return -1;
}
enum { CL_F_SETPIPE_SZ = 1031, CL_F_GETPIPE_SZ = 1032 };

#endif
