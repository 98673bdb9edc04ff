// The holder: what keeps a dead process's descriptors open until its successor has them. System calls only: it is a copy of
// a process whose threads it does not have, so no lock of that process may ever be taken here.
#include "clinux.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

static void rest(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    syscall(SYS_nanosleep, &time, NULL);
}

static int is_replaced(const struct cl_holder_plan *plan) {
    return __atomic_load_n(&plan->words->owner, __ATOMIC_ACQUIRE) != plan->generation;
}

// Starts a program with a copy of the descriptors; whether it has taken over in time. One that has not is gone afterwards.
static int succeed(const struct cl_holder_plan *plan, const char *program, int patience) {
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        uint64_t none = 0;
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
        syscall(SYS_execve, program, plan->arguments, plan->environment);
        syscall(SYS_exit_group, 127);
    }
    if (child < 0) return 0;
    for (int waited = 0; waited < patience; waited++) {
        if (is_replaced(plan)) return 1;
        if (syscall(SYS_wait4, child, NULL, WNOHANG, NULL) == child) return is_replaced(plan);
        rest(1);
    }
    syscall(SYS_kill, child, SIGKILL);
    syscall(SYS_wait4, child, NULL, 0, NULL);
    // It may have taken over in the last moment: then its own holder follows it.
    return is_replaced(plan);
}

// The path under which a program whose file was replaced can still be started.
static void descriptor_path(char path[32], int number) {
    static const char beginning[] = "/proc/self/fd/";
    size_t end = 0;
    while (beginning[end]) {
        path[end] = beginning[end];
        end++;
    }
    char digits[12];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0 && count < 11);
    while (count > 0) path[end++] = digits[--count];
    path[end] = 0;
}

// Where the kernel shows the role in the command line: the words lie where they lay when the program began, one behind the
// other. NULL when they are not what is expected. Looked up before the copy is made.
static volatile char *role_word(const struct cl_holder_plan *plan) {
    const char *role = plan->arguments[0] ? plan->arguments[1] : NULL;
    if (!role || strlen(role) < sizeof "holder" - 1 || strcmp(program_invocation_name, plan->arguments[0]) != 0) return NULL;
    char *word = program_invocation_name + strlen(program_invocation_name) + 1;
    return strncmp(word, role, strlen(role) + 1) == 0 ? word : NULL;
}

// For ps, and for whoever looks for balancers by their command line: this is none.
static void rename_role(volatile char *word) {
    static const char title[] = "holder";
    for (size_t index = 0; word && word[index]; index++) word[index] = index < sizeof title ? title[index] : 0;
}

static void hold(const struct cl_holder_plan *plan, long parent, volatile char *role) {
    uint64_t all = ~0ull;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
    syscall(SYS_prctl, PR_SET_NAME, "understudy-hold", 0, 0, 0);
    rename_role(role);
    uint64_t death = 1ull << (SIGUSR1 - 1);
    // A process that becomes another program in place has another holder from then on. It may not be in charge yet itself.
    while (syscall(SYS_getppid) == parent
           && __atomic_load_n(&plan->words->owner, __ATOMIC_ACQUIRE) <= plan->generation) {
        // The signal tells at once; the time is the net below it.
        struct timespec time = {0, 100000000};
        syscall(SYS_rt_sigtimedwait, &death, NULL, &time, sizeof death);
    }
    if (is_replaced(plan) || plan->words->ended) return;
    if (plan->words->next[0]) {
        char next[sizeof plan->words->next];
        for (size_t index = 0; index < sizeof next; index++) next[index] = plan->words->next[index];
        next[sizeof next - 1] = 0;
        plan->words->next[0] = 0;
        if (succeed(plan, next, plan->next_patience)) return;
        plan->words->failures++;
    }
    if (plan->words->probation && plan->words->previous > 0) {
        char previous[32];
        descriptor_path(previous, plan->words->previous);
        plan->words->probation = 0;
        if (succeed(plan, previous, plan->patience)) return;
        plan->words->failures++;
    }
    for (int tried = 0; tried < plan->tries; tried++) {
        if (plan->words->ended) return;
        if (succeed(plan, plan->program, plan->patience)) return;
        plan->words->failures++;
        rest(50L << tried);
    }
}

int cl_start_holder(const struct cl_holder_plan *plan) {
    long parent = syscall(SYS_getpid);
    volatile char *role = role_word(plan);
    // No CLONE_VM: memory of its own, as after fork; one descriptor table for both.
    long holder = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    if (holder == 0) {
        hold(plan, parent, role);
        syscall(SYS_exit_group, 0);
    }
    return (int)holder;
}
