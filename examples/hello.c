/* hello.c - the smallest program on the library: two of it in one room greet each other, and end.
 *
 *     hello ROOM [BROKER [STUN]]
 */
#include "p2pconnect.h"

#include <stdio.h>

enum { TENTH_S = 100000000 }; /* nanoseconds */

static const char greeting[] = "hello over there\n";

struct hello {
    struct p2p_stream *ours, *theirs;
    int heard, confirmed, gone;
};

static void take(struct hello *hello, const struct p2p_event *event)
{
    char text[256];
    ptrdiff_t got;
    if (event->type == P2P_EVENT_CONNECTED && !hello->ours &&
        !p2p_stream_open(&hello->ours, event->peer, 'h', 0)) {
        p2p_stream_write(hello->ours, greeting, sizeof greeting - 1); /* a new stream has room for it */
        p2p_stream_finish(hello->ours);
    }
    if (event->type == P2P_EVENT_STREAM && !hello->theirs)
        hello->theirs = event->stream;
    while (hello->theirs && !hello->heard &&
           (got = p2p_stream_read(hello->theirs, text, sizeof text)) != P2P_EAGAIN) {
        if (got > 0)
            fwrite(text, 1, (size_t)got, stdout); /* a peer's bytes: show them with care */
        else
            hello->heard = 1, p2p_stream_finish(hello->theirs); /* the way back: we have read all of it */
    }
    if (hello->ours && p2p_stream_read(hello->ours, text, sizeof text) == 0)
        hello->confirmed = 1;
    hello->gone |= event->type == P2P_EVENT_CLOSED;
}

/* Both have read everything, and our last word has arrived: goodbye can lose nothing. */
static int is_over(const struct hello *hello)
{
    return hello->gone || (hello->heard && hello->confirmed && p2p_stream_drained(hello->theirs));
}

int main(int argc, char **argv)
{
    const char *brokers[] = {argc > 2 ? argv[2] : NULL, NULL}, *stun[] = {argc > 3 ? argv[3] : NULL, NULL};
    struct p2p_config config = {
        .size = sizeof config, .brokers = brokers, .stun = stun, .no_portmap = argc > 3};
    struct p2p_node *node = NULL;
    struct p2p_event event;
    struct hello hello = {0};
    int left = 0, error = argc < 2 ? P2P_EINVAL : p2p_node_new(&node, &config);
    if (!error)
        error = p2p_node_start(node);
    if (!error)
        error = p2p_join(node, argv[1], NULL, 0);
    while (!error && !left) {
        int waited = p2p_node_wait(node, hello.heard ? TENTH_S : -1); /* an acknowledgement is no event */
        error = waited < 0 ? waited : 0;
        while (p2p_next_event(node, &event)) {
            left |= event.type == P2P_EVENT_LEFT;
            take(&hello, &event);
        }
        if (is_over(&hello))
            p2p_leave(node);
    }
    p2p_stream_free(hello.ours);
    p2p_stream_free(hello.theirs);
    p2p_node_free(node);
    if (error)
        fprintf(stderr, "%s\n", p2p_strerror(error));
    return error || !hello.confirmed;
}
