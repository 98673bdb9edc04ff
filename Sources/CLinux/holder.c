// The holder: what keeps a dead process's descriptors open until its successor has them. System calls only: it is a copy of
// a process whose threads it does not have, so no lock of that process may ever be taken here. One that was copied before there was a
// second thread goes on as the next balancer: no program has to be started, and nothing of the dead one's memory is in it.
#include "clinux.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static void rest(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    syscall(SYS_nanosleep, &time, NULL);
}

uint64_t cl_next_generation(volatile struct cl_holder_words *words) {
    uint64_t owner = __atomic_load_n(&words->owner, __ATOMIC_ACQUIRE);
    uint64_t next = (words->issued > owner ? words->issued : owner) + 1;
    if (((next ^ owner) & 1) == 0) next++;
    words->issued = next;
    return next;
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

// For ps, and for whoever looks for balancers by their command line.
static void rename_role(volatile char *word, const char *role, const char *title) {
    size_t end = 0;
    for (size_t index = 0; word && role[index]; index++) {
        word[index] = title[end];
        if (title[end]) end++;
    }
}

// Where the C library keeps the number of the calling thread: in a copy it would be that of the thread that was copied. NULL where
// the kernel does not say (CONFIG_CHECKPOINT_RESTORE).
static int *thread_number(void) {
    int *place = NULL;
    return syscall(SYS_prctl, PR_GET_TID_ADDRESS, &place, 0, 0, 0) == 0 ? place : NULL;
}

// A process with this one's descriptors and a copy of its memory: no CLONE_VM, as after fork.
static long copy(int *number) {
    long flags = CLONE_FILES | SIGCHLD | (number ? CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID : 0);
#ifdef __aarch64__
    return syscall(SYS_clone, flags, 0, 0, 0, number);
#else
    return syscall(SYS_clone, flags, 0, 0, number, 0);
#endif
}

// Waits for the parent's death and has it followed; whether by this very process.
static int hold(struct cl_holder_plan *plan, long parent, volatile char *role, int *number) {
    uint64_t all = ~0ull, mask = 0;
    char name[16] = {0};
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof all);
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
    syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0);
    syscall(SYS_prctl, PR_SET_NAME, "understudy-hold", 0, 0, 0);
    rename_role(role, plan->arguments[1], "holder");
    uint64_t death = 1ull << (SIGUSR1 - 1);
    // A process that becomes another program in place has another holder from then on. It may not be in charge yet itself.
    while (syscall(SYS_getppid) == parent
           && __atomic_load_n(&plan->words->owner, __ATOMIC_ACQUIRE) <= plan->generation) {
        // The signal tells at once; the time is the net below it.
        struct timespec time = {0, 100000000};
        syscall(SYS_rt_sigtimedwait, &death, NULL, &time, sizeof death);
    }
    if (is_replaced(plan) || plan->words->ended) return 0;
    if (plan->words->next[0]) {
        char next[sizeof plan->words->next];
        for (size_t index = 0; index < sizeof next; index++) next[index] = plan->words->next[index];
        next[sizeof next - 1] = 0;
        plan->words->next[0] = 0;
        if (succeed(plan, next, plan->next_patience)) return 0;
        plan->words->failures++;
        // This process is the known program: it need not be started to come back.
        if (plan->continues && number) plan->words->probation = 0;
    }
    if (plan->words->probation && plan->words->previous > 0) {
        char previous[32];
        descriptor_path(previous, plan->words->previous);
        plan->words->probation = 0;
        if (succeed(plan, previous, plan->patience)) return 0;
        plan->words->failures++;
    }
    if (plan->words->ended) return 0;
    if (plan->continues && number) {
        // This process is in charge from here on, and so it says before it has a copy of its own.
        plan->generation = cl_next_generation(plan->words);
        plan->followed++;
        __atomic_store_n(&plan->words->owner, plan->generation, __ATOMIC_RELEASE);
        syscall(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
        syscall(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
        rename_role(role, plan->arguments[1], plan->arguments[1]);
        // The parent's death may still be told of. Blocked, as in a holder, the signal is told of all the same.
        signal(SIGUSR1, SIG_IGN);
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
        return 1;
    }
    for (int tried = 0; tried < plan->tries; tried++) {
        if (plan->words->ended) return 0;
        if (succeed(plan, plan->program, plan->patience)) return 0;
        plan->words->failures++;
        rest(50L << tried);
    }
    return 0;
}

int cl_start_holder(struct cl_holder_plan *plan) {
    volatile char *role = role_word(plan);
    int *number = plan->continues ? thread_number() : NULL;
    for (;;) {
        long parent = syscall(SYS_getpid);
        long holder = copy(number);
        if (holder != 0) return (int)holder;
        if (!hold(plan, parent, role, number)) syscall(SYS_exit_group, 0);
    }
}
