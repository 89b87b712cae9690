/* p2p_event.c - the queue between the node's machine and the program. */
#include "p2p_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct queued {
    struct queued *next;
    struct p2p_event event;
    char detail[128], id[PEER_ID_LEN + 1];
    char text[];
};

void events_put(struct p2p_node *node, const struct p2p_event *event)
{
    size_t len = event->text ? strlen(event->text) : 0;
    if (node->queued_count >= EVENTS_MAX && event->type == P2P_EVENT_TRACE)
        return;
    struct queued *queued = malloc(sizeof *queued + len + 1);
    if (!queued)
        return;
    queued->next = NULL;
    queued->event = *event;
    memcpy(queued->text, event->text ? event->text : "", len + 1);
    snprintf(queued->detail, sizeof queued->detail, "%s", event->detail ? event->detail : "");
    queued->event.text = queued->text;
    queued->event.detail = queued->detail;
    snprintf(queued->id, sizeof queued->id, "%s", event->id ? event->id : "");
    queued->event.id = queued->id;
    *node->last = queued;
    node->last = &queued->next;
    node->queued_count++;
}

static struct queued *events_take(struct p2p_node *node)
{
    struct queued *queued = node->first;
    if (!queued)
        return NULL;
    node->first = queued->next;
    if (!node->first)
        node->last = &node->first;
    node->queued_count--;
    return queued;
}

void events_forget_stream(struct p2p_node *node, const struct p2p_stream *stream)
{
    struct queued **link = &node->first;
    while (*link) {
        struct queued *queued = *link;
        if (queued->event.stream != stream) {
            link = &queued->next;
            continue;
        }
        *link = queued->next;
        node->queued_count--;
        free(queued);
    }
    node->last = link;
}

void events_free(struct p2p_node *node)
{
    struct queued *queued;
    while ((queued = events_take(node)))
        free(queued);
    free(node->returned);
    node->returned = NULL;
}

int p2p_next_event(struct p2p_node *node, struct p2p_event *event)
{
    *event = (struct p2p_event){.type = P2P_EVENT_NONE, .text = "", .detail = "", .id = ""};
    free(node->returned);
    if (node->closing) {
        node->closing->passed = true;
        peer_release_if_unused(node->closing);
        node->closing = NULL;
    }
    node->returned = events_take(node);
    if (!node->returned)
        return 0;
    *event = node->returned->event;
    if (event->type == P2P_EVENT_CLOSED)
        node->closing = event->peer;
    if (event->type == P2P_EVENT_STREAM)
        event->stream->delivered = true;
    return 1;
}

/* ---- what the machine said, in the program's words ---- */

static const char *candidate_name(enum candidate_kind kind)
{
    static const char *const names[] = {[CANDIDATE_HOST] = "host",
                                        [CANDIDATE_MAPPED] = "mapped",
                                        [CANDIDATE_PRFLX] = "prflx",
                                        [CANDIDATE_SRFLX] = "srflx",
                                        [CANDIDATE_RELAY] = "relay"};
    return names[kind];
}

static void describe_end(const struct node_event *told, struct p2p_event *event)
{
    static const char *const reasons[] = {
        [CONN_LEFT] = "left", [CONN_SILENT] = "lost", [CONN_NOPATH] = "error", [CONN_BROKEN] = "error"};
    static const int errors[] = {
        [CONN_LEFT] = 0, [CONN_SILENT] = P2P_EGONE, [CONN_NOPATH] = P2P_ENOPATH, [CONN_BROKEN] = P2P_EGONE};
    event->detail = told->refused ? "refused" : reasons[told->end];
    event->error = told->refused ? 0 : errors[told->end];
}

/* The handle of the stream that the machine speaks of; a new one where the peer opened it. False: there is
 * none. */
static bool find_stream(struct p2p_peer *peer, const struct node_event *told, struct p2p_event *event)
{
    if (told->type == NODE_STREAM)
        event->stream = stream_make(peer, told->stream);
    else if (told->stream >= 0)
        event->stream = stream_find(peer, told->stream);
    return event->stream || (told->type == NODE_WRITABLE && told->stream < 0);
}

/* What concerns nobody's connection. `address` is where a text may lie. */
static void describe_ours(const struct node_event *told, struct p2p_event *event, char address[ADDR_TEXT_MAX])
{
    switch (told->type) {
    case NODE_CANDIDATE:
        event->text = addr_print(&told->address, address);
        event->detail = candidate_name(told->candidate);
        break;
    case NODE_PORTMAP:
        event->detail = addr_print(&told->address, address);
        break;
    case NODE_BUSY:
        event->text = told->name;
        event->detail = told->text;
        event->id = told->id;
        break;
    case NODE_SECRET:
        event->error = P2P_ESECRET;
        event->final = told->final;
        break;
    case NODE_TRACE:
        event->detail = told->outgoing ? "out" : "in";
        break;
    default:
        break;
    }
}

/* What concerns a peer. False: it is about a stream that the program does not know. */
static bool describe_peer(struct p2p_node *node, const struct node_event *told, struct p2p_event *event)
{
    struct p2p_peer *peer = &node->peers[told->slot];
    event->peer = peer;
    switch (told->type) {
    case NODE_PEER:
        *peer = (struct p2p_peer){.node = node, .slot = told->slot, .used = true};
        memcpy(event->words, told->words, sizeof event->words);
        break;
    case NODE_STREAM:
    case NODE_READABLE:
    case NODE_WRITABLE:
        return find_stream(peer, told, event);
    case NODE_CLOSED:
        describe_end(told, event);
        peer->closed = true;
        break;
    case NODE_PATH:
        snprintf(peer->why, sizeof peer->why, "%s", told->text);
        break;
    default:
        break;
    }
    return true;
}

void events_put_node(struct p2p_node *node, const struct node_event *told)
{
    static const enum p2p_event_type same[] = {
        [NODE_CANDIDATE] = P2P_EVENT_CANDIDATE, [NODE_PEER] = P2P_EVENT_PEER,
        [NODE_CONNECTED] = P2P_EVENT_CONNECTED, [NODE_PATH] = P2P_EVENT_PATH,
        [NODE_STREAM] = P2P_EVENT_STREAM,       [NODE_READABLE] = P2P_EVENT_READABLE,
        [NODE_WRITABLE] = P2P_EVENT_WRITABLE,   [NODE_DATAGRAM] = P2P_EVENT_DATAGRAM,
        [NODE_STALLED] = P2P_EVENT_STALLED,     [NODE_CLOSED] = P2P_EVENT_CLOSED,
        [NODE_BUSY] = P2P_EVENT_BUSY,           [NODE_SECRET] = P2P_EVENT_SECRET,
        [NODE_TRACE] = P2P_EVENT_TRACE,         [NODE_PORTMAP] = P2P_EVENT_PORTMAP,
        [NODE_RELAY_TROUBLE] = P2P_EVENT_RELAY, [NODE_MEMORY] = P2P_EVENT_MEMORY};
    char address[ADDR_TEXT_MAX];
    struct p2p_event event = {.kind = told->kind, .text = told->text};
    switch (told->type) {
    case NODE_SOCKETS: /* the library's own business: p2p.c, p2p_relay.c */
    case NODE_RELAY_OPEN:
    case NODE_RELAY_CLOSE:
    case NODE_DOUBT:
        return;
    case NODE_CANDIDATE:
    case NODE_PORTMAP:
    case NODE_BUSY:
    case NODE_SECRET:
    case NODE_RELAY_TROUBLE:
    case NODE_MEMORY:
    case NODE_TRACE:
        describe_ours(told, &event, address);
        break;
    case NODE_PEER:
    case NODE_CONNECTED:
    case NODE_PATH:
    case NODE_STREAM:
    case NODE_READABLE:
    case NODE_WRITABLE:
    case NODE_DATAGRAM:
    case NODE_STALLED:
    case NODE_CLOSED:
        if (!describe_peer(node, told, &event))
            return;
        break;
    }
    event.type = same[told->type];
    events_put(node, &event);
}
