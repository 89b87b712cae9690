/* poll_loop.c - the library inside the poll loop of a program that has other things to do.
 *
 *     poll_loop ROOM NAME [BROKER [STUN]]
 *
 * The program counts its seconds and prints them; whoever else is in the room is told by a datagram. The loop
 * is the program's own: the library adds one descriptor and one deadline to it.
 */
#include "p2pconnect.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PEERS = 8, SECONDS = 60 };

static struct p2p_peer *peers[PEERS];

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The program's own work. */
static void tick(unsigned second)
{
    char text[32];
    printf("second %u\n", second);
    fflush(stdout);
    snprintf(text, sizeof text, "second %u", second);
    for (int i = 0; i < PEERS; i++)
        if (peers[i])
            p2p_datagram_send(peers[i], text, strlen(text)); /* may be lost: the next one says more */
}

/* Puts `what` where `old` is. */
static void replace(const struct p2p_peer *old, struct p2p_peer *what)
{
    for (int i = 0; i < PEERS; i++)
        if (peers[i] == old) {
            peers[i] = what;
            return;
        }
}

static void take(const struct p2p_event *event)
{
    char data[32];
    ptrdiff_t len;
    if (event->type == P2P_EVENT_CONNECTED)
        replace(NULL, event->peer);
    if (event->type == P2P_EVENT_CLOSED)
        replace(event->peer, NULL);
    if (event->type == P2P_EVENT_STREAM)
        p2p_stream_free(event->stream); /* not for us */
    while (event->type == P2P_EVENT_DATAGRAM &&
           (len = p2p_datagram_receive(event->peer, data, sizeof data)) >= 0) {
        unsigned second; /* what a peer says is parsed, never printed as it is */
        data[len < (ptrdiff_t)sizeof data ? len : (ptrdiff_t)sizeof data - 1] = '\0';
        if (sscanf(data, "second %5u", &second) == 1)
            printf("a peer is at second %u\n", second);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    const char *brokers[] = {argc > 3 ? argv[3] : NULL, NULL}, *stun[] = {argc > 4 ? argv[4] : NULL, NULL};
    struct p2p_config config = {
        .size = sizeof config, .brokers = brokers, .stun = stun, .no_portmap = argc > 4, .max_peers = PEERS};
    struct p2p_node *node;
    struct p2p_event event;
    config.name = argc > 2 ? argv[2] : NULL;
    if (argc < 3 || p2p_node_new(&node, &config) || p2p_node_start(node) || p2p_join(node, argv[1], NULL, 0))
        return 2;
    int64_t next = now_ns();
    for (unsigned second = 0; second < SECONDS;) {
        struct pollfd fds[] = {
            {.fd = p2p_node_fd(node), .events = POLLIN}}; /* and the program's own descriptors */
        int64_t wait = next - now_ns(), theirs = p2p_node_timeout(node);
        if (theirs >= 0 && theirs < wait) /* -1: the library has no deadline */
            wait = theirs;
        poll(fds, 1, wait > 0 ? (int)((wait + 999999) / 1000000) : 0);
        if (now_ns() >= next) {
            tick(second++);
            next += 1000000000;
        }
        p2p_node_process(node);
        while (p2p_next_event(node, &event))
            take(&event);
    }
    p2p_node_free(node);
    return 0;
}
