/* chat ROOM NAME [BROKER [STUN]] - lines typed are messages to all; speaks with p2pconnect's chat. */
#include "p2pconnect.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KIND = 'c', PEERS = 8, HEADER = 4, TEXT_MAX = 1024 }; /* a message: 4 bytes of length, then the text */

static struct talk {       /* with one peer: where we write to it, where it writes to us */
    struct p2p_peer *peer; /* NULL: this place is free */
    struct p2p_stream *out, *in;
    unsigned char data[HEADER + TEXT_MAX];
    size_t have;
} talks[PEERS];

static struct talk *find(const struct p2p_peer *peer)
{
    for (struct talk *talk = talks; talk < talks + PEERS; talk++)
        if (talk->peer == peer)
            return talk;
    return NULL;
}

static void say(const char *line, size_t len)
{
    unsigned char data[HEADER + TEXT_MAX] = {0, 0, (unsigned char)(len >> 8), (unsigned char)len};
    memcpy(data + HEADER, line, len);
    for (struct talk *talk = talks; talk < talks + PEERS; talk++)
        if (talk->peer && p2p_stream_write(talk->out, data, HEADER + len) != (ptrdiff_t)(HEADER + len))
            p2p_peer_close(talk->peer, "too slow"); /* 2 MiB behind */
}

static void show(struct talk *talk)
{
    for (size_t i = HEADER; i < talk->have; i++) /* never trust a peer with the terminal */
        talk->data[i] = talk->data[i] < 32 || talk->data[i] == 127 ? '?' : talk->data[i];
    printf("them: %.*s\n", (int)(talk->have - HEADER), (const char *)talk->data + HEADER);
    fflush(stdout);
    talk->have = 0;
}

static void hear(struct talk *talk)
{
    for (ptrdiff_t got = 1; got > 0;) {
        size_t want = HEADER + (talk->have < HEADER ? 0 : (size_t)talk->data[2] << 8 | talk->data[3]);
        if (talk->have == want)
            show(talk), want = HEADER;
        if (want > sizeof talk->data)
            return; /* longer than this example takes */
        got = p2p_stream_read(talk->in, talk->data + talk->have, want - talk->have);
        talk->have += got > 0 ? (size_t)got : 0;
        if (got == 0)
            p2p_stream_finish(talk->in); /* the way back is empty: we have heard everything */
    }
}

static void take(const struct p2p_event *event)
{
    struct talk *talk = find(event->type == P2P_EVENT_CONNECTED ? NULL : event->peer);
    if (event->type == P2P_EVENT_CONNECTED && talk && !p2p_stream_open(&talk->out, event->peer, KIND, 0))
        talk->peer = event->peer;
    if (talk && event->type == P2P_EVENT_STREAM && event->kind == KIND)
        talk->in = event->stream;
    if (talk && talk->in)
        hear(talk);
    if (talk && event->type == P2P_EVENT_CLOSED) {
        p2p_stream_free(talk->out), p2p_stream_free(talk->in);
        *talk = (struct talk){.peer = NULL};
    }
}

int main(int argc, char **argv)
{
    const char *brokers[] = {argc > 3 ? argv[3] : NULL, NULL}, *stun[] = {argc > 4 ? argv[4] : NULL, NULL};
    struct p2p_config config = {
        .size = sizeof config, .brokers = brokers, .stun = stun, .no_portmap = argc > 4, .purpose = "chat"};
    struct p2p_node *node;
    struct p2p_event event = {0};
    char line[TEXT_MAX];
    config.name = argv[argc > 2 ? 2 : argc]; /* argv[argc] is NULL */
    if (argc < 3 || p2p_node_new(&node, &config) || p2p_node_start(node) || p2p_join(node, argv[1], NULL, 0))
        return 2;
    for (ssize_t len = 1; len > 0;) { /* until the end of standard input: a terminal gives a line at a time */
        struct pollfd fds[] = {{p2p_node_fd(node), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        int64_t wait = p2p_node_timeout(node); /* ns */
        poll(fds, 2, wait < 0 ? -1 : (int)((wait + 999999) / 1000000));
        if (fds[1].revents && (len = read(STDIN_FILENO, line, sizeof line)) > 0)
            say(line, (size_t)len - (line[len - 1] == '\n'));
        p2p_node_process(node);
        while (p2p_next_event(node, &event))
            take(&event);
    }
    p2p_leave(node);
    while (event.type != P2P_EVENT_LEFT && p2p_node_wait(node, -1) >= 0)
        p2p_next_event(node, &event);
    p2p_node_free(node);
    return 0;
}
