/* first_byte.c - start a command at a given moment, feed it one line, say when its first byte of output came.
 *
 *     first_byte AT-NS SECONDS COMMAND...
 *
 * AT-NS is on the monotonic clock (0: now), so that two of these start together; late_ms is by how much it
 * was missed. The line goes to the command's standard input at once; the input ends when the first byte has
 * come. One JSON line on standard output:
 * {"first_byte_ms":T or null,"late_ms":T,"exit":CODE or minus the signal,"cpu_ms":T,"resident_kb":N}. The
 * command's standard error is ours. Whatever takes longer than SECONDS is ended. The same small program
 * stands around ours and around the rival, so both pay for their own start and neither for a script's. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    NS_PER_MS = 1000000,
    NS_PER_S = 1000000000,
    LINGER_MS = 3000 /* for its orderly end */,
    PATIENCE_MS = 1000 /* for the end it is asked for */
};

static const char LINE[] = "hello\n";

struct child {
    pid_t pid;
    int in, out; /* our ends of its standard input and output */
    int64_t started_ns, first_ns;
};

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void wait_until(int64_t at_ns)
{
    struct timespec ts = {at_ns / NS_PER_S, at_ns % NS_PER_S};
    if (at_ns > 0)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int child_start(struct child *child, char **argv)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        return -1;
    child->in = in[1], child->out = out[0];
    child->started_ns = now_ns();
    child->pid = fork();
    if (child->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    return child->pid > 0 && write(child->in, LINE, sizeof(LINE) - 1) > 0 ? 0 : -1;
}

/* Waits until UNTIL for FD to have something to say. */
static bool is_ready(int fd, int64_t until_ns)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int64_t left_ns = until_ns - now_ns();
    return left_ns > 0 && poll(&wait, 1, (int)(left_ns / NS_PER_MS) + 1) > 0;
}

/* Takes some output; false when none comes until UNTIL, or none any more. */
static bool child_output(struct child *child, int64_t until_ns)
{
    char bytes[4096];
    if (!is_ready(child->out, until_ns))
        return false;
    int64_t at_ns = now_ns();
    if (read(child->out, bytes, sizeof(bytes)) <= 0)
        return false;
    if (!child->first_ns) {
        child->first_ns = at_ns;
        close(child->in);
    }
    return true;
}

static double time_ms(struct timeval time)
{
    return (double)time.tv_sec * 1000 + (double)time.tv_usec / 1000;
}

static void child_end(struct child *child, int64_t at_ns)
{
    struct rusage usage;
    int status = 0;
    char first[32] = "null";
    int64_t until_ns = now_ns() + (int64_t)LINGER_MS * NS_PER_MS;
    int ended = (int)syscall(SYS_pidfd_open, child->pid, 0);
    while (child_output(child, until_ns))
        ;
    if (!is_ready(ended, until_ns)) {
        kill(child->pid, SIGTERM);
        if (!is_ready(ended, now_ns() + (int64_t)PATIENCE_MS * NS_PER_MS))
            kill(child->pid, SIGKILL);
    }
    wait4(child->pid, &status, 0, &usage);
    if (child->first_ns)
        snprintf(first, sizeof(first), "%.3f", (double)(child->first_ns - child->started_ns) / NS_PER_MS);
    printf("{\"first_byte_ms\":%s,\"late_ms\":%.3f,\"exit\":%d,\"cpu_ms\":%.3f,\"resident_kb\":%ld}\n", first,
           at_ns ? (double)(child->started_ns - at_ns) / NS_PER_MS : 0.0,
           WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
           time_ms(usage.ru_utime) + time_ms(usage.ru_stime), usage.ru_maxrss);
}

int main(int argc, char **argv)
{
    struct child child = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: first_byte AT-NS SECONDS COMMAND...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int64_t at_ns = strtoll(argv[1], NULL, 10);
    wait_until(at_ns);
    if (child_start(&child, argv + 3) != 0) {
        perror("first_byte");
        return 1;
    }
    int64_t until_ns = child.started_ns + strtoll(argv[2], NULL, 10) * NS_PER_S;
    while (!child.first_ns && child_output(&child, until_ns))
        ;
    child_end(&child, at_ns);
    return 0;
}
