/* real_broker.h - a mosquitto on a free loopback port, for tests; started, stopped and cleared away by its
 * test. */
#ifndef REAL_BROKER_H
#define REAL_BROKER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct broker {
    char folder[32];
    uint16_t port;
    pid_t pid; /* 0: not running */
};

static inline uint16_t broker_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool bound = bind(fd, (struct sockaddr *)&address, size) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &size) == 0;
    close(fd);
    return bound ? ntohs(address.sin_port) : 0;
}

/* Runs a program with its standard streams on `output` (-1: nowhere). */
static inline pid_t broker_spawn(const char *const argv[], int output)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int fd = output >= 0 ? output : open("/dev/null", O_WRONLY);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Runs a program to its end; true: it exited with 0. */
static inline bool broker_run(const char *const argv[])
{
    int status;
    pid_t pid = broker_spawn(argv, -1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline bool broker_program_exists(const char *name)
{
    return broker_run((const char *const[]){"which", name, NULL});
}

static inline void broker_path(const struct broker *broker, char out[64], const char *file)
{
    snprintf(out, 64, "%s/%s", broker->folder, file);
}

/* Writes the configuration: a listener on the port, then `more`, a format with the folder for every %1$s. */
static inline bool broker_configure(struct broker *broker, const char *more)
{
    char path[64];
    broker_path(broker, path, "conf");
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "listener %u 127.0.0.1\nuser root\n", broker->port);
    for (const char *at = more; *at; at++) {
        if (*at == '@')
            fputs(broker->folder, file);
        else
            fputc(*at, file);
    }
    return fclose(file) == 0;
}

static inline bool broker_make(struct broker *broker)
{
    *broker = (struct broker){.folder = "/tmp/p2p-broker-XXXXXX"};
    broker->port = broker_free_port();
    return mkdtemp(broker->folder) && broker->port;
}

/* Starts it and waits until it says that it runs. */
static inline bool broker_start(struct broker *broker)
{
    char path[64], text[4096];
    size_t len = 0;
    int log[2];
    broker_path(broker, path, "conf");
    if (pipe(log) != 0)
        return false;
    broker->pid = broker_spawn((const char *const[]){"mosquitto", "-c", path, NULL}, log[1]);
    close(log[1]);
    bool running = false;
    while (broker->pid > 0 && !running && len < sizeof text - 1) {
        struct pollfd ready = {.fd = log[0], .events = POLLIN};
        if (poll(&ready, 1, 10000) <= 0)
            break;
        ssize_t got = read(log[0], text + len, sizeof text - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
        running = strstr(text, " running") != NULL;
    }
    /* What it says later goes nowhere: it must not die of a closed pipe, and does not (it ignores SIGPIPE).
     */
    close(log[0]);
    if (!running)
        fprintf(stderr, "mosquitto did not start: %s\n", len ? text : "no output");
    return running;
}

static inline void broker_stop(struct broker *broker, int how)
{
    /* mosquitto says that it runs a moment before a SIGTERM counts: it is told again. */
    for (unsigned tries = 0; broker->pid > 0; tries++) {
        kill(broker->pid, tries < 50 ? how : SIGKILL);
        for (unsigned i = 0; i < 10 && waitpid(broker->pid, NULL, WNOHANG) == 0; i++)
            poll(NULL, 0, 10);
        if (kill(broker->pid, 0) != 0)
            broker->pid = 0;
    }
    broker->pid = 0;
}

static inline void broker_clear(struct broker *broker)
{
    broker_stop(broker, SIGTERM);
    broker_run((const char *const[]){"rm", "-rf", broker->folder, NULL});
}

#endif
