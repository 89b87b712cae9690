/* ping.c - how the path to a peer is: kind, round trip, loss, and why it is not a better one.
 *
 * Datagrams, not a stream: a stream would hide what is lost. Every command of ours sends them back
 * (session.c). The times are those of the program, with the encryption and both loops in them: what an
 * application gets. */
#include "commands.h"

#include "clock.h"
#include "session.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

enum {
    PINGS_DEFAULT = 4,
    PATIENCE_S = 2,  /* for the last answers; a relay at the other end of the world needs 0.6 */
    REQUEST_LEN = 5, /* bytes: 'g' and the number, big-endian */
    REQUEST = 'g',   /* as session.c */
    ANSWER = 'G'
};

struct probe {
    uint64_t sent_at;
    double rtt_ms; /* 0: no answer yet */
};

struct ping {
    struct member *partner;
    struct probe *probes;
    unsigned count, sent, answered;
    uint64_t next_at; /* when the next is due, or the last ones are given up */
};

static void ping_connected(struct session *session, struct member *member)
{
    struct ping *ping = session->state;
    if (ping->partner)
        return;
    ping->partner = member;
    ping->next_at = clock_now();
}

static void send_request(struct session *session, struct ping *ping)
{
    uint8_t request[REQUEST_LEN] = {REQUEST, (uint8_t)(ping->sent >> 24), (uint8_t)(ping->sent >> 16),
                                    (uint8_t)(ping->sent >> 8), (uint8_t)ping->sent};
    p2p_datagram_send(ping->partner->peer, request, sizeof request); /* what does not leave counts as lost */
    ping->probes[ping->sent++].sent_at = session->now;
    ping->next_at = session->now + (ping->sent < ping->count ? 1 : PATIENCE_S) * CLOCK_S;
}

static void tell_answer(struct session *session, const struct member *member, unsigned number, double rtt_ms)
{
    char name[SHOWN_NAME_MAX];
    struct p2p_path path = {0};
    p2p_peer_path(member->peer, &path);
    session_print(session, "from %s: %.1f ms via %s %s\n", events_name(name, member->peer), rtt_ms,
                  p2p_path_kind_name(path.kind), path.remote);
    if (!session->report.json)
        return;
    struct line *line = events_line(&session->report, "ping");
    line_string(line, "peer", p2p_peer_id(member->peer));
    line_string(line, "name", p2p_peer_name(member->peer));
    line_number(line, "number", number + 1);
    line_decimal(line, "rtt_ms", rtt_ms);
    line_string(line, "kind", p2p_path_kind_name(path.kind));
    line_string(line, "remote", path.remote);
    line_write(line);
}

static void ping_datagram(struct session *session, struct member *member, const uint8_t *data, size_t len)
{
    struct ping *ping = session->state;
    if (member != ping->partner || len != REQUEST_LEN || data[0] != ANSWER)
        return;
    unsigned number = (unsigned)data[1] << 24 | (unsigned)data[2] << 16 | (unsigned)data[3] << 8 | data[4];
    if (number >= ping->sent || ping->probes[number].rtt_ms > 0)
        return;
    double rtt_ms = (double)(clock_now() - ping->probes[number].sent_at) / (double)CLOCK_MS;
    ping->probes[number].rtt_ms = rtt_ms;
    ping->answered++;
    tell_answer(session, member, number, rtt_ms);
}

/* ---- the summary ---- */

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct summary {
    double least, median, most, lost_percent;
};

static struct summary summarize(const struct ping *ping)
{
    struct summary summary = {.lost_percent =
                                  100.0 * (ping->sent - ping->answered) / (ping->sent ? ping->sent : 1)};
    double *times = calloc(ping->answered ? ping->answered : 1, sizeof *times);
    if (!times || !ping->answered) {
        free(times);
        return summary;
    }
    unsigned count = 0;
    for (unsigned i = 0; i < ping->sent; i++)
        if (ping->probes[i].rtt_ms > 0)
            times[count++] = ping->probes[i].rtt_ms;
    qsort(times, count, sizeof *times, compare_times);
    summary.least = times[0], summary.most = times[count - 1];
    summary.median = count % 2 ? times[count / 2] : (times[count / 2 - 1] + times[count / 2]) / 2;
    free(times);
    return summary;
}

static void tell_summary(struct session *session, const struct ping *ping, const struct p2p_path *path)
{
    struct summary summary = summarize(ping);
    char why[TEXT_SHOWN * sizeof path->why + 1];
    text_show(why, sizeof why, path->why, strlen(path->why));
    session_print(session, "%u sent, %u came back, %.0f %% lost; min %.1f, median %.1f, max %.1f ms\n",
                  ping->sent, ping->answered, summary.lost_percent, summary.least, summary.median,
                  summary.most);
    session_print(session, "path: %s%s%s\n", p2p_path_kind_name(path->kind), *why ? "; " : "", why);
    if (!session->report.json)
        return;
    struct line *line = events_line(&session->report, "summary");
    line_number(line, "sent", ping->sent);
    line_number(line, "received", ping->answered);
    line_decimal(line, "loss_percent", summary.lost_percent);
    line_decimal(line, "min_ms", summary.least);
    line_decimal(line, "median_ms", summary.median);
    line_decimal(line, "max_ms", summary.most);
    line_string(line, "kind", p2p_path_kind_name(path->kind));
    line_string(line, "why", path->why);
    line_write(line);
}

static void end_ping(struct session *session, struct ping *ping, const struct p2p_peer *peer)
{
    struct p2p_path path = {0};
    p2p_peer_path(peer, &path);
    tell_summary(session, ping, &path);
    if (ping->answered)
        session_end(session, EXIT_DONE, NULL);
    else
        session_end(session, EXIT_LOST, "nothing came back");
}

static void ping_closed(struct session *session, struct member *member, const struct p2p_event *event)
{
    struct ping *ping = session->state;
    (void)event;
    if (member != ping->partner)
        return;
    end_ping(session, ping, member->peer);
    ping->partner = NULL;
}

static bool ping_step(struct session *session)
{
    struct ping *ping = session->state;
    if (!ping->partner)
        return false;
    bool over = ping->sent == ping->count && (ping->answered == ping->count || session->now >= ping->next_at);
    if (over) {
        end_ping(session, ping, ping->partner->peer);
        return false;
    }
    bool due = ping->sent < ping->count && session->now >= ping->next_at;
    if (due)
        send_request(session, ping);
    session_wake_at(session, ping->next_at);
    return due;
}

int ping_main(const struct options *options, uint64_t started_ns)
{
    static const struct role role = {
        .purpose = "ping",
        .max_peers = 1,
        .serves_pings = true,
        .connected = ping_connected,
        .datagram = ping_datagram,
        .closed = ping_closed,
        .step = ping_step,
    };
    struct ping ping = {.count = options->count ? options->count : PINGS_DEFAULT};
    ping.probes = calloc(ping.count, sizeof *ping.probes);
    if (!ping.probes)
        return EXIT_OTHER;
    int code = session_run(options, started_ns, &role, &ping);
    free(ping.probes);
    return code;
}
