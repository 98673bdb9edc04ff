// What Swift cannot import from glibc and the kernel's headers: macros, variadics, transparent unions. No logic.
#ifndef CLINUX_H
#define CLINUX_H

#include "direct.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

// errno is a macro.
static inline int cl_errno(void) { return errno; }

// Variadic.
static inline int cl_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }
static inline int cl_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }
static inline int cl_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
static inline int cl_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    return prctl(option, a, b, c, d);
}
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
static inline int cl_malloc_trim(void) { return malloc_trim(0); }
// MLOCK_ONFAULT is 1.
static inline int cl_mlock_on_fault(const void *start, size_t length) {
    return (int)syscall(SYS_mlock2, start, length, 1);
}
static inline int cl_memfd_secret(void) { return (int)syscall(SYS_memfd_secret, O_CLOEXEC); }
static inline int cl_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
// Never reaches another process that has the number by now.
static inline int cl_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}
static inline int cl_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(SYS_close_range, first, last, flags);
}

// Transparent unions (__SOCKADDR_ARG).
static inline int cl_bind(int fd, const void *address, socklen_t length) {
    return bind(fd, (const struct sockaddr *)address, length);
}
static inline int cl_connect(int fd, const void *address, socklen_t length) {
    return connect(fd, (const struct sockaddr *)address, length);
}
// GNU extensions, declared here because the Glibc module is built without _GNU_SOURCE.
extern int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int memfd_create(const char *name, unsigned flags);

static inline int cl_accept4(int fd, void *address, socklen_t *length, int flags) {
    return accept4(fd, (struct sockaddr *)address, length, flags);
}
static inline int cl_getsockname(int fd, void *address, socklen_t *length) {
    return getsockname(fd, (struct sockaddr *)address, length);
}
static inline int cl_getpeername(int fd, void *address, socklen_t *length) {
    return getpeername(fd, (struct sockaddr *)address, length);
}
static inline ssize_t cl_sendto(int fd, const void *bytes, size_t count, int flags, const void *address, socklen_t length) {
    return sendto(fd, bytes, count, flags, (const struct sockaddr *)address, length);
}
static inline ssize_t cl_recvfrom(int fd, void *bytes, size_t count, int flags, void *address, socklen_t *length) {
    return recvfrom(fd, bytes, count, flags, (struct sockaddr *)address, length);
}

// Enumerations that import as wrapped types, and macros with casts.
enum {
    CL_SHUT_WR = SHUT_WR,
    CL_EFD_CLOEXEC = EFD_CLOEXEC,
    CL_EFD_NONBLOCK = EFD_NONBLOCK,
    CL_MFD_CLOEXEC = 1,
    CL_MFD_ALLOW_SEALING = 2,
    CL_MADV_COLLAPSE = 25,
    CL_F_ADD_SEALS = 1033,
    CL_F_SEAL_SEAL = 1,
    CL_F_SEAL_SHRINK = 2,
    CL_F_SEAL_GROW = 4,
    CL_F_SEAL_WRITE = 8,
    CL_SOCK_STREAM = SOCK_STREAM,
    CL_SOCK_DGRAM = SOCK_DGRAM,
    CL_SOCK_RAW = SOCK_RAW,
    CL_SOCK_SEQPACKET = SOCK_SEQPACKET,
    CL_SOCK_NONBLOCK = SOCK_NONBLOCK,
    CL_SOCK_CLOEXEC = SOCK_CLOEXEC,
    CL_EPOLLIN = EPOLLIN,
    CL_EPOLLOUT = EPOLLOUT,
    CL_EPOLLRDHUP = EPOLLRDHUP,
    CL_EPOLLHUP = EPOLLHUP,
    CL_EPOLLERR = EPOLLERR,
};
static const uint32_t CL_EPOLLET = 1u << 31;

// struct epoll_event holds a union with a pointer; only its 64-bit form is used here.
struct cl_epoll_event {
    uint32_t events;
    uint64_t data;
}
#ifdef __x86_64__
__attribute__((packed))
#endif
;

static inline int cl_epoll_ctl(int epoll, int operation, int fd, struct cl_epoll_event *event) {
    return epoll_ctl(epoll, operation, fd, (struct epoll_event *)event);
}
// Waits at most `nanoseconds`; for ever when negative.
static inline int cl_epoll_wait(int epoll, struct cl_epoll_event *events, int room, int64_t nanoseconds) {
    struct timespec timeout = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int count = (int)syscall(SYS_epoll_pwait2, epoll, events, room, nanoseconds < 0 ? NULL : &timeout, NULL, 0);
    if (count >= 0 || errno != ENOSYS) return count;
    // Before Linux 5.11, and under valgrind: the call that counts in milliseconds.
    return epoll_pwait(epoll, (struct epoll_event *)events, room,
                       nanoseconds < 0 ? -1 : (int)((nanoseconds + 999999) / 1000000), NULL);
}

// CMSG_* are macros: one message with up to CL_MAXIMUM_DESCRIPTORS descriptors.
enum { CL_MAXIMUM_DESCRIPTORS = 64 };

static inline ssize_t cl_send_descriptors(int fd, const void *bytes, size_t count, const int *descriptors, size_t number) {
    char control[CMSG_SPACE(sizeof(int) * CL_MAXIMUM_DESCRIPTORS)];
    struct iovec part = {(void *)bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (number > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * number);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * number);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * number);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// *number: room in, received out. Descriptors arrive close-on-exec.
static inline ssize_t cl_receive_descriptors(int fd, void *bytes, size_t count, int *descriptors, size_t *number, int *flags) {
    char control[CMSG_SPACE(sizeof(int) * CL_MAXIMUM_DESCRIPTORS)];
    struct iovec part = {bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    size_t room = *number;
    *number = 0;
    *flags = received < 0 ? 0 : message.msg_flags;
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t have = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t index = 0; index < have; index++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof(int));
            if (*number < room) descriptors[(*number)++] = descriptor;
            else close(descriptor);
        }
    }
    return received;
}

// ---- Raw and packet sockets ------------------------------------------------------------------------------------

#include <linux/if_packet.h>

// struct in6_pktinfo is hidden without _GNU_SOURCE, CMSG_* are macros.
struct cl_in6_pktinfo {
    struct in6_addr address;
    unsigned index;
};

// Sends from a chosen source: 4 or 16 octets, or none for the kernel's choice.
static inline ssize_t cl_send_from(int fd, const void *bytes, size_t count, const void *to, socklen_t length,
                                   const void *source, size_t octets) {
    char control[CMSG_SPACE(sizeof(struct cl_in6_pktinfo))];
    struct iovec part = {(void *)bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    memset(control, 0, sizeof control);
    message.msg_name = (void *)to;
    message.msg_namelen = length;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (octets == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, source, 4);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
    } else if (octets == 16) {
        struct cl_in6_pktinfo info;
        memset(&info, 0, sizeof info);
        memcpy(&info.address, source, 16);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IPV6;
        header->cmsg_type = IPV6_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Receives with what IPV6_RECVPKTINFO and IPV6_RECVHOPLIMIT tell; where they do not, *hops is -1.
static inline ssize_t cl_receive_v6(int fd, void *bytes, size_t count, struct sockaddr_storage *from,
                                    unsigned char destination[16], int *hops) {
    char control[256];
    struct iovec part = {bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_name = from;
    message.msg_namelen = sizeof *from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    *hops = -1;
    ssize_t received = recvmsg(fd, &message, MSG_DONTWAIT);
    if (received < 0) return received;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != IPPROTO_IPV6) continue;
        if (header->cmsg_type == IPV6_PKTINFO) memcpy(destination, CMSG_DATA(header), 16);
        if (header->cmsg_type == IPV6_HOPLIMIT) memcpy(hops, CMSG_DATA(header), sizeof *hops);
    }
    return received;
}

// Declared here for the same reason as accept4.
extern int setns(int fd, int type);
extern int unshare(int flags);
enum { CL_CLONE_NEWNET = 0x40000000 };

// Wrapped enumerations of <sys/resource.h>.
enum { CL_RLIMIT_MEMLOCK = 8, CL_RLIMIT_RTPRIO = 14, CL_RLIMIT_RTTIME = 15 };

// ---- Processes, signals, privileges, users ----

enum {
    CL_F_GET_SEALS = 1034,
    CL_RLIMIT_CORE = RLIMIT_CORE,
    CL_RLIMIT_NOFILE = RLIMIT_NOFILE,
    CL_MCL_CURRENT = MCL_CURRENT,
    CL_MCL_FUTURE = MCL_FUTURE,
    CL_MCL_ONFAULT = 4,
    CL_SCHED_RR = 2,
    CL_SCHED_RESET_ON_FORK = 0x40000000,
    CL_SPAWN_SETSID = 0x80,
    CL_SIGNAL_INFORMATION_SIZE = sizeof(struct signalfd_siginfo),
};

// An enumeration in C++ and a macro in C, with 64-bit values only under _FILE_OFFSET_BITS.
static inline int cl_getrlimit(int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit limit;
    int result = getrlimit(resource, &limit);
    *soft = limit.rlim_cur;
    *hard = limit.rlim_max;
    return result;
}
static inline int cl_setrlimit(int resource, uint64_t soft, uint64_t hard) {
    struct rlimit limit = {soft, hard};
    return setrlimit(resource, &limit);
}

// glibc's wrappers change all threads of a process; these change the calling one.
static inline int cl_thread_setgroups(void) { return (int)syscall(SYS_setgroups, 0, NULL); }
static inline int cl_thread_setresgid(uint32_t real, uint32_t effective, uint32_t saved) {
    return (int)syscall(SYS_setresgid, real, effective, saved);
}
static inline int cl_thread_setresuid(uint32_t real, uint32_t effective, uint32_t saved) {
    return (int)syscall(SYS_setresuid, real, effective, saved);
}

// No wrapper in glibc: capability sets of the calling thread, as 64-bit masks.
static inline int cl_capget(uint64_t *effective, uint64_t *permitted) {
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } data[2] = {{0}};
    int result = (int)syscall(SYS_capget, &header, data);
    *effective = (uint64_t)data[1].effective << 32 | data[0].effective;
    *permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
    return result;
}
static inline int cl_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    struct { uint32_t effective, permitted, inheritable; } data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return (int)syscall(SYS_capset, &header, data);
}

// struct sched_param differs between headers.
static inline int cl_set_realtime(int thread, int policy, int priority) {
    struct { int priority; } parameter = {priority};
    return (int)syscall(SYS_sched_setscheduler, thread, policy, &parameter);
}
static inline int cl_gettid(void) { return (int)syscall(SYS_gettid); }
static inline int cl_tgkill(int process, int thread, int signal) {
    return (int)syscall(SYS_tgkill, process, thread, signal);
}

// Declared here because the Glibc module is built without _GNU_SOURCE.
extern int setresuid(uid_t real, uid_t effective, uid_t saved);
extern int setresgid(gid_t real, gid_t effective, gid_t saved);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// ---- What a process leaves behind for its successor ----

// The words of a shared mapping by which a process, its holder and its successor agree.
struct cl_holder_words {
    // The generation whose process is in charge.
    uint64_t owner;
    // Not 0: the process ends on purpose, and nothing follows it.
    uint32_t ended;
    // Programs that were tried and did not take over.
    uint32_t failures;
    // The program that is tried first, once; empty: the same again.
    char next[1024];
    // Not 0: the process in charge runs another program than the one before it and is not believed yet. Should it die, the
    // one before it comes back.
    uint32_t probation;
    // A descriptor of that program's file; 0: none.
    int32_t previous;
    // The last generation that was given to a process.
    uint64_t issued;
};

// A generation that no process had, also none that died before it was in charge: its holder, should it still live, must not take that
// of another process for its own. Odd where that of the process in charge is even, and the other way round.
uint64_t cl_next_generation(volatile struct cl_holder_words *words);

struct cl_holder_plan {
    volatile struct cl_holder_words *words;
    // The generation of the process that is held.
    uint64_t generation;
    const char *program;
    char *const *arguments;
    char *const *environment;
    // How long a program may take to take over, in milliseconds: the next one, and the one that is known.
    int next_patience;
    int patience;
    // How often the known one is tried.
    int tries;
    // Not 0: the copy is made while there is no other thread, so that it can go on by itself where no other program is wanted.
    int continues;
    // How many processes have followed one another in the copies of this memory.
    uint32_t followed;
};

// Starts the holder: a process that shares this one's descriptors, not its memory, and waits for its death.
// Its number, or -1 with errno. The calling thread must live as long as the process.
//
// Returns in each balancer of a row, once: in the one that called, and, with `followed` raised, in each copy that goes on in the
// place of the one before it. It has its own holder then, and is in charge.
int cl_start_holder(struct cl_holder_plan *plan);

// Puts the calling thread under a filter of system calls (struct sock_filter as 64-bit words) and gives up the right to gain
// rights by execve, without which it is not allowed. 0, or -1 with errno.
int cl_install_filter(const uint64_t *words, unsigned short count);

// What the kernel counted on a TCP connection (struct tcp_info), and its state.
int cl_tcp_counts(int fd, unsigned *state, uint64_t *acknowledged, uint64_t *received);
// A number that no other socket of this host has or had; SO_COOKIE.
int cl_socket_cookie(int fd, uint64_t *cookie);
// The child that has ended and is not reaped yet; 0: none, -1: errno. It stays unreaped.
int cl_ended_child(void);
// Reaps the child behind a pidfd. 1: it has ended, by this signal or with this status; 0: it runs; -1: errno, ECHILD when somebody
// else has reaped it.
int cl_reap(int pidfd, int *signal, int *status);
// The same; it stays unreaped.
int cl_look(int pidfd, int *signal, int *status);
// Whether the process is a child of this one, ended or not.
int cl_is_child(int pid);

enum {
    CL_TIOCOUTQ = 0x5411,
    CL_FIONREAD = 0x541B,
    CL_PR_SET_CHILD_SUBREAPER = 36,
    CL_O_PATH = 010000000,
};

#endif
