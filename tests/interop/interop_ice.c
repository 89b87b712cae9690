/* interop_ice.c - our ICE against a libnice agent: real packets on loopback, both roles and a conflict.
 *
 *     interop_ice NICE_AGENT controlling|controlled|conflict [SECONDS]
 *
 * starts NICE_AGENT (nice_agent.c says what it speaks), exchanges descriptions with it through its lines, and
 * runs our agent, which has no socket of its own, on one UDP socket. The role named is ours, the other one
 * libnice's; in a conflict both begin as controlling (RFC 8445 7.3.1.1). Asked of both sides: one pair, the
 * same; datagrams that come back; and that it stays so for SECONDS (default 0), past several consents (RFC
 * 7675). Exit 0 when all held. */
#include "../number.h"
#include "candidate.h"
#include "ice.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECT_S = 10, /* after which it has failed */
    ECHOES = 5,     /* datagrams that must come back */
    ECHO_MS = 100,  /* between two of them */
    LOST_MAX = 2,   /* that libnice may drop before it trusts the pair */
    LINE_SIZE = 512,
    STAY_MAX_S = 3600,
    TICK_MS = 20 /* for echoes; the agent's own deadline may be sooner */
};

struct driver {
    struct ice *ice;
    struct random random;
    int udp, to_nice, from_nice;
    pid_t nice;
    struct addr local;
    struct path path;
    char ufrag[128], pwd[128], line[LINE_SIZE], selected[LINE_SIZE];
    size_t line_len;
    bool has_path, nice_ready;
    unsigned sent, returned;
    uint64_t start, next_echo, path_at;
    const char *failure;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void random_fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    if (getrandom(out, len, 0) != (ssize_t)len)
        abort();
}

static void fail(struct driver *driver, const char *why)
{
    if (!driver->failure)
        driver->failure = why;
}

/* The socket. */

static struct sockaddr_in socket_address(const struct addr *addr)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    memcpy(&in.sin_addr, addr->ip, 4);
    return in;
}

static bool open_socket(struct driver *driver)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    driver->udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (driver->udp < 0 || bind(driver->udp, (struct sockaddr *)&in, sizeof in) != 0 ||
        getsockname(driver->udp, (struct sockaddr *)&in, &size) != 0)
        return false;
    driver->local = addr_make4((const uint8_t *)&in.sin_addr, ntohs(in.sin_port));
    return true;
}

static void send_to(struct driver *driver, const struct addr *remote, const void *data, size_t len)
{
    struct sockaddr_in to = socket_address(remote);
    if (sendto(driver->udp, data, len, 0, (struct sockaddr *)&to, sizeof to) < 0 && errno != ECONNREFUSED)
        fail(driver, "a datagram could not be sent");
}

static void echo_send(struct driver *driver, uint64_t now)
{
    char text[32];
    int len = snprintf(text, sizeof text, "interop %u", driver->sent++);
    send_to(driver, &driver->path.remote, text, (size_t)len);
    driver->next_echo = now + ECHO_MS * NS_PER_MS;
}

static void echo_received(struct driver *driver, const uint8_t *data, size_t len)
{
    if (len > 8 && memcmp(data, "interop ", 8) == 0)
        driver->returned++;
    else
        fail(driver, "something came back that was not sent");
}

static void take_packets(struct driver *driver)
{
    uint8_t data[2048];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t got;
    while ((got = recvfrom(driver->udp, data, sizeof data, 0, (struct sockaddr *)&from, &size)) >= 0) {
        struct packet packet = {.local = driver->local, .data = data, .len = (size_t)got};
        packet.remote = addr_make4((const uint8_t *)&from.sin_addr, ntohs(from.sin_port));
        if (!stun_is(data, packet.len))
            echo_received(driver, data, packet.len);
        else if (!ice_input(driver->ice, now_ns(), &packet))
            fail(driver, "our agent did not take a STUN message of libnice");
    }
}

/* Lines from and to libnice. */

static bool candidate_read(struct wire_candidate *candidate, const char *line)
{
    char foundation[FOUNDATION_MAX + 1], address[64], kind[16];
    unsigned component, port;
    memset(candidate, 0, sizeof *candidate);
    if (sscanf(line, "candidate:%32s %u %*s %u %63s %u typ %15s", foundation, &component,
               &candidate->priority, address, &port, kind) != 6)
        return false;
    if (component != 1 || port > 65535 || !addr_parse(&candidate->address, address))
        return false;
    candidate->address.port = (uint16_t)port;
    candidate->kind = strcmp(kind, "host") == 0    ? CANDIDATE_HOST
                      : strcmp(kind, "relay") == 0 ? CANDIDATE_RELAY
                                                   : CANDIDATE_SRFLX;
    memcpy(candidate->foundation, foundation, sizeof candidate->foundation);
    return true;
}

static void credentials_complete(struct driver *driver, uint64_t now)
{
    if (driver->ufrag[0] && driver->pwd[0])
        ice_set_remote(driver->ice, now, driver->ufrag, driver->pwd);
}

static void take_line(struct driver *driver, const char *line, uint64_t now)
{
    struct wire_candidate candidate;
    if (strncmp(line, "data ", 5) != 0)
        printf("  libnice: %s\n", line);
    if (sscanf(line, "ufrag %127s", driver->ufrag) == 1 || sscanf(line, "pwd %127s", driver->pwd) == 1)
        credentials_complete(driver, now);
    else if (candidate_read(&candidate, line))
        ice_add_remote(driver->ice, now, &candidate);
    else if (strcmp(line, "done") == 0)
        ice_remotes_complete(driver->ice, now);
    else if (strcmp(line, "state ready") == 0)
        driver->nice_ready = true;
    else if (strcmp(line, "state failed") == 0)
        fail(driver, "libnice says that it failed");
    else if (strncmp(line, "selected ", 9) == 0)
        memcpy(driver->selected, line + 9, strlen(line + 9) + 1);
}

static void take_lines(struct driver *driver, uint64_t now)
{
    ssize_t got =
        read(driver->from_nice, driver->line + driver->line_len, sizeof driver->line - 1 - driver->line_len);
    if (got <= 0) {
        fail(driver, "libnice's agent ended");
        return;
    }
    driver->line_len += (size_t)got;
    driver->line[driver->line_len] = '\0';
    char *at = driver->line, *end;
    while ((end = strchr(at, '\n'))) {
        *end = '\0';
        take_line(driver, at, now);
        at = end + 1;
    }
    driver->line_len -= (size_t)(at - driver->line);
    memmove(driver->line, at, driver->line_len);
}

static bool start_nice(struct driver *driver, char *program, char *role)
{
    int in[2], out[2];
    char *argv[] = {program, "127.0.0.1", role, NULL};
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || (driver->nice = fork()) < 0)
        return false;
    if (driver->nice == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execv(program, argv);
        perror(program);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    driver->to_nice = in[1], driver->from_nice = out[0];
    return true;
}

static bool start_ice(struct driver *driver, bool controlling)
{
    struct ice_config config = {
        .controlling = controlling, .paths = PATH_ALL, .same_machine = true, .random = &driver->random};
    struct candidate host = {.kind = CANDIDATE_HOST, .address = driver->local, .base = driver->local};
    char ip[ADDR_TEXT_MAX];
    uint64_t now = now_ns();
    driver->ice = ice_new(&config);
    if (!driver->ice)
        return false;
    host.priority = candidate_priority(host.kind, &host.base, RANK_NORMAL, 0);
    candidate_foundation(&host);
    ice_set_own(driver->ice, &driver->local, 1);
    ice_add_local(driver->ice, now, &host);
    ice_locals_complete(driver->ice, now);
    return dprintf(driver->to_nice, "ufrag %s\npwd %s\ncandidate:%s 1 UDP %u %s %u typ host\ndone\n",
                   ice_ufrag(driver->ice), ice_pwd(driver->ice), host.foundation, host.priority,
                   addr_print_ip(&driver->local, ip), driver->local.port) > 0;
}

/* Running. */

static void take_events(struct driver *driver, uint64_t now)
{
    struct ice_event event;
    while (ice_event(driver->ice, &event)) {
        if (event.type == ICE_PATH) {
            driver->path = event.path;
            driver->has_path = true;
            driver->path_at = driver->path_at ? driver->path_at : now;
            printf("  ours: path %s after %.1f ms: %s\n", path_kind_name(event.path.kind),
                   (double)(now - driver->start) / (double)NS_PER_MS, event.why);
        } else if (event.type != ICE_HEARD) {
            fail(driver, event.type == ICE_STALLED ? "our agent says that consent is gone"
                                                   : "our agent says that there is no path");
        }
    }
}

static void drain(struct driver *driver)
{
    uint8_t data[PACKET_MAX];
    struct packet packet = {.data = data, .len = sizeof data};
    while (ice_output(driver->ice, now_ns(), &packet)) {
        send_to(driver, &packet.remote, data, packet.len);
        packet.len = sizeof data;
    }
    take_events(driver, now_ns());
}

static int wait_ms(const struct driver *driver, uint64_t now)
{
    uint64_t deadline = ice_deadline(driver->ice);
    if (deadline <= now)
        return 0;
    uint64_t left_ms = (deadline - now) / NS_PER_MS + 1;
    return left_ms < TICK_MS ? (int)left_ms : TICK_MS;
}

static void step(struct driver *driver)
{
    struct pollfd wait[2] = {{.fd = driver->udp, .events = POLLIN},
                             {.fd = driver->from_nice, .events = POLLIN}};
    poll(wait, 2, wait_ms(driver, now_ns()));
    if (wait[0].revents)
        take_packets(driver);
    if (wait[1].revents)
        take_lines(driver, now_ns());
    drain(driver);
    uint64_t now = now_ns();
    if (driver->has_path && now >= driver->next_echo)
        echo_send(driver, now);
}

static bool same_pair(const struct driver *driver)
{
    char local[64], remote[64], text[ADDR_TEXT_MAX];
    snprintf(remote, sizeof remote, "%s %u", addr_print_ip(&driver->path.remote, text),
             driver->path.remote.port);
    snprintf(local, sizeof local, "%s %u", addr_print_ip(&driver->local, text), driver->local.port);
    char wanted[sizeof local + sizeof remote + 1];
    snprintf(wanted, sizeof wanted, "%s %s", remote, local); /* libnice's own side is our remote one */
    return strcmp(driver->selected, wanted) == 0;
}

static void run(struct driver *driver, unsigned seconds)
{
    driver->start = now_ns();
    uint64_t give_up = driver->start + CONNECT_S * NS_PER_S;
    while (!driver->failure && !(driver->nice_ready && driver->returned >= ECHOES) && now_ns() < give_up)
        step(driver);
    uint64_t until = now_ns() + seconds * NS_PER_S;
    while (!driver->failure && now_ns() < until)
        step(driver);
    if (!driver->has_path)
        fail(driver, "our agent found no path");
    else if (!driver->nice_ready)
        fail(driver, "libnice never became ready");
    else if (!same_pair(driver))
        fail(driver, "the two sides chose different pairs");
    else if (driver->returned + LOST_MAX < driver->sent - 1)
        fail(driver, "datagrams were lost");
}

static void end(struct driver *driver)
{
    int status = 0;
    close(driver->to_nice);
    kill(driver->nice, SIGTERM);
    waitpid(driver->nice, &status, 0);
    close(driver->from_nice);
    close(driver->udp);
    ice_free(driver->ice);
}

int main(int argc, char **argv)
{
    static struct driver driver = {.random = {.fill = random_fill}};
    long long seconds = 0;
    if ((argc != 3 && argc != 4) || (argc == 4 && !number_read(argv[3], STAY_MAX_S, &seconds))) {
        fprintf(stderr, "usage: interop_ice NICE_AGENT controlling|controlled|conflict [SECONDS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    bool controlled = strcmp(argv[2], "controlled") == 0, conflict = strcmp(argv[2], "conflict") == 0;
    char *role = controlled || conflict ? "controlling" : "controlled";
    if (!open_socket(&driver) || !start_nice(&driver, argv[1], role) || !start_ice(&driver, !controlled)) {
        perror("interop_ice");
        return 1;
    }
    run(&driver, (unsigned)seconds);
    end(&driver);
    printf("%s: %s: %u of %u datagrams came back\n", driver.failure ? driver.failure : "ok", argv[2],
           driver.returned, driver.sent);
    return driver.failure ? 1 : 0;
}
