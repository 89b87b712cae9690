/* delay.c - a wire with a length: carries Ethernet frames between TAP devices in two network namespaces.
 *
 *     delay NAMESPACE-A DEVICE-A NAMESPACE-B DEVICE-B DELAY-MS [JITTER-MS [LOSS-PERCENT [SEED]]]
 *
 * A namespace is a file such as /run/netns/NAME or /proc/PID/fd/N. Every frame waits DELAY plus an even draw
 * of 0 to JITTER, each way, in one queue ordered by due time, so that jitter also reorders. Prints "ready"
 * once both devices exist, then runs until it is ended. It stands in for the kernel's netem, which many
 * kernels lack. Left out: a rate (tc tbf does that), bursts of loss, duplicates. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_MAX = 2048,  /* the devices have an MTU of 1500; header and VLAN tag fit too */
    QUEUE_MAX = 16384, /* some 24 MB on the way: 1 Gbit/s for 200 ms, more than this program can carry */
    BATCH_MAX = 64,    /* frames read from one device before the queue is looked at again */
};

struct frame {
    uint64_t due_ns;
    uint64_t number; /* of its arrival: what is due at the same time keeps its order */
    int to_fd;
    size_t size;
    uint8_t bytes[FRAME_MAX];
};

struct wire {
    int fd[2];
    uint64_t delay_ns;
    uint64_t jitter_ns;
    double loss; /* share of the frames, 0 to 1 */
    uint64_t random;
    uint64_t arrivals;
    struct frame *heap[QUEUE_MAX]; /* the frame due first is heap[0] */
    size_t waiting;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* xorshift64*: good enough to lose frames with, and the same for the same seed everywhere. */
static double draw(struct wire *wire)
{
    wire->random ^= wire->random >> 12;
    wire->random ^= wire->random << 25;
    wire->random ^= wire->random >> 27;
    return (double)((wire->random * 0x2545F4914F6CDD1DU) >> 11) / (double)(1ULL << 53);
}

static bool frame_before(const struct frame *a, const struct frame *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void queue_push(struct wire *wire, struct frame *frame)
{
    size_t at = wire->waiting++;
    for (; at > 0 && frame_before(frame, wire->heap[(at - 1) / 2]); at = (at - 1) / 2)
        wire->heap[at] = wire->heap[(at - 1) / 2];
    wire->heap[at] = frame;
}

static struct frame *queue_pop(struct wire *wire)
{
    struct frame *first = wire->heap[0];
    struct frame *last = wire->heap[--wire->waiting];
    size_t at = 0;
    for (size_t child = 1; child < wire->waiting; child = 2 * at + 1) {
        if (child + 1 < wire->waiting && frame_before(wire->heap[child + 1], wire->heap[child]))
            child++;
        if (!frame_before(wire->heap[child], last))
            break;
        wire->heap[at] = wire->heap[child];
        at = child;
    }
    wire->heap[at] = last;
    return first;
}

/* A full queue and a full memory drop the frame, as a router would. */
static void wire_take(struct wire *wire, const uint8_t *bytes, size_t size, int to_fd)
{
    if (draw(wire) < wire->loss || wire->waiting == QUEUE_MAX)
        return;
    struct frame *frame = malloc(sizeof *frame);
    if (!frame)
        return;
    frame->due_ns = clock_ns() + wire->delay_ns + (uint64_t)(draw(wire) * (double)wire->jitter_ns);
    frame->number = wire->arrivals++;
    frame->to_fd = to_fd;
    frame->size = size;
    memcpy(frame->bytes, bytes, size);
    queue_push(wire, frame);
}

/* A device that is down refuses reads and writes (EIO): nothing arrives, as with a pulled plug. */
static void wire_read(struct wire *wire, int from_fd, int to_fd)
{
    uint8_t bytes[FRAME_MAX];
    for (int i = 0; i < BATCH_MAX; i++) {
        ssize_t size = read(from_fd, bytes, sizeof bytes);
        if (size <= 0)
            return;
        wire_take(wire, bytes, (size_t)size, to_fd);
    }
}

static void wire_deliver(struct wire *wire)
{
    while (wire->waiting > 0 && wire->heap[0]->due_ns <= clock_ns()) {
        struct frame *frame = queue_pop(wire);
        if (write(frame->to_fd, frame->bytes, frame->size) < 0 && errno == EBADFD)
            exit(1); /* the device is gone with its namespace */
        free(frame);
    }
}

static int wire_run(struct wire *wire)
{
    struct pollfd poll_fds[2] = {{wire->fd[0], POLLIN, 0}, {wire->fd[1], POLLIN, 0}};
    for (;;) {
        struct timespec wait = {0};
        if (wire->waiting > 0) {
            uint64_t now = clock_ns(), due = wire->heap[0]->due_ns;
            uint64_t left = due > now ? due - now : 0;
            wait.tv_sec = (time_t)(left / 1000000000U);
            wait.tv_nsec = (long)(left % 1000000000U);
        }
        if (ppoll(poll_fds, 2, wire->waiting > 0 ? &wait : NULL, NULL) < 0 && errno != EINTR)
            return 1;
        if ((poll_fds[0].revents | poll_fds[1].revents) & (POLLNVAL | POLLHUP | POLLERR))
            return 1;
        for (int i = 0; i < 2; i++)
            if (poll_fds[i].revents & POLLIN)
                wire_read(wire, wire->fd[i], wire->fd[1 - i]);
        wire_deliver(wire);
    }
}

/* Opens the device in the namespace; the process stays in it until the next call. */
static int tap_open(const char *namespace, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (strlen(name) >= sizeof request.ifr_name)
        return -1;
    memcpy(request.ifr_name, name, strlen(name));
    int at = open(namespace, O_RDONLY | O_CLOEXEC);
    if (at < 0 || setns(at, CLONE_NEWNET) < 0) {
        perror(namespace);
        return -1;
    }
    close(at);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
        perror("/dev/net/tun");
        return -1;
    }
    return fd;
}

static bool number_parse(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && *out >= 0 && *out < 1e9;
}

static int usage(void)
{
    fputs(
        "usage: delay NAMESPACE-A DEVICE-A NAMESPACE-B DEVICE-B DELAY-MS [JITTER-MS [LOSS-PERCENT [SEED]]]\n",
        stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static struct wire wire;
    double numbers[4] = {0, 0, 0, 1}; /* delay, jitter, loss, seed */
    if (argc < 6 || argc > 9)
        return usage();
    for (int i = 5; i < argc; i++)
        if (!number_parse(argv[i], &numbers[i - 5]))
            return usage();
    wire.delay_ns = (uint64_t)(numbers[0] * 1e6);
    wire.jitter_ns = (uint64_t)(numbers[1] * 1e6);
    wire.loss = numbers[2] / 100;
    wire.random = (uint64_t)numbers[3] * 2 + 1; /* xorshift must not start at 0 */
    wire.fd[0] = tap_open(argv[1], argv[2]);
    if (wire.fd[0] < 0)
        return 1;
    wire.fd[1] = tap_open(argv[3], argv[4]);
    if (wire.fd[1] < 0)
        return 1;
    prctl(PR_SET_TIMERSLACK, 1UL); /* the default of 50 us would be added to every frame's delay */
    puts("ready");
    fflush(stdout);
    return wire_run(&wire);
}
