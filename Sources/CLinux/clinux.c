#include "clinux.h"

// Its struct tcp_info has what glibc's lacks, and the two cannot stand in one header.
#include <linux/tcp.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

int cl_install_filter(const uint64_t *words, unsigned short count) {
    struct sock_fprog program = {count, (struct sock_filter *)words};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program);
}

int cl_tcp_counts(int fd, unsigned *state, uint64_t *acknowledged, uint64_t *received) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return -1;
    *state = info.tcpi_state;
    *acknowledged = info.tcpi_bytes_acked;
    *received = info.tcpi_bytes_received;
    return 0;
}

int cl_socket_cookie(int fd, uint64_t *cookie) {
    socklen_t length = sizeof *cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &length);
}

int cl_ended_child(void) {
    siginfo_t information;
    information.si_pid = 0;
    if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0) return -1;
    return information.si_pid;
}

int cl_reap(int pidfd, int *signal, int *status) {
    siginfo_t information;
    information.si_pid = 0;
    // P_PIDFD, which older headers do not name.
    if (waitid((idtype_t)3, (id_t)pidfd, &information, WEXITED | WNOHANG) != 0) return -1;
    if (information.si_pid == 0) return 0;
    *signal = information.si_code == CLD_EXITED ? 0 : information.si_status;
    *status = information.si_code == CLD_EXITED ? information.si_status : 0;
    return 1;
}

int cl_is_child(int pid) {
    siginfo_t information;
    return waitid(P_PID, pid, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}
