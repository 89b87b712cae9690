/* forward_tunnel.c - one connection: a socket here, a stream to the other side, a socket there.
 *
 * The stream begins with the number of the ask; back comes first a byte that says whether the target was
 * reached, without anybody waiting for it. Each end of a direction travels alone, a reset as a reset. */
#include "clock.h"
#include "forward_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOVES_MAX = 8 }; /* of one tunnel a turn */

static void activate(struct forward *forward, struct tunnel *tunnel)
{
    if (tunnel->is_active)
        return;
    TAILQ_INSERT_TAIL(&forward->active, tunnel, active);
    tunnel->is_active = true;
}

static void deactivate(struct forward *forward, struct tunnel *tunnel)
{
    if (tunnel->is_active)
        TAILQ_REMOVE(&forward->active, tunnel, active);
    tunnel->is_active = false;
}

static void tunnel_ready(struct forward *forward, struct watch *watch, unsigned what)
{
    struct tunnel *tunnel = (struct tunnel *)watch;
    tunnel->readable |= (what & LOOP_SET_READ) != 0;
    tunnel->writable |= (what & LOOP_SET_WRITE) != 0;
    activate(forward, tunnel);
}

/* ---- beginning and end ---- */

static struct tunnel *tunnel_new(struct forward *forward, struct link *link, struct p2p_stream *stream)
{
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (!tunnel)
        return NULL;
    tunnel->watch.ready = tunnel_ready;
    tunnel->link = link;
    tunnel->stream = stream;
    tunnel->fd = -1;
    tunnel->stream_readable = true;
    p2p_stream_set_user(stream, tunnel);
    TAILQ_INSERT_TAIL(&forward->tunnels, tunnel, all);
    link_take_place(forward, link);
    activate(forward, tunnel);
    return tunnel;
}

static void tunnel_free(struct forward *forward, struct tunnel *tunnel)
{
    deactivate(forward, tunnel);
    TAILQ_REMOVE(&forward->tunnels, tunnel, all);
    link_leave_place(forward, tunnel->link);
    if (forward->stdio == tunnel)
        forward->stdio = NULL;
    p2p_stream_free(tunnel->stream);
    if (tunnel->fd >= 0)
        forward_close(forward, tunnel->fd);
    free(tunnel);
}

/* Ends it as a reset does: the program at the socket shall not take it for an end. */
static void tunnel_abort(struct forward *forward, struct tunnel *tunnel)
{
    const struct linger at_once = {.l_onoff = 1};
    if (tunnel->fd >= 0)
        setsockopt(tunnel->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (tunnel->is_stdio)
        session_end(forward->session, EXIT_OTHER, "the connection was reset by the other side");
    tunnel_free(forward, tunnel);
}

static bool take_socket(struct forward *forward, struct tunnel *tunnel, int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* not of a UNIX socket: no harm */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    tunnel->fd = fd;
    return forward_watch(forward, fd, &tunnel->watch);
}

int tunnel_open(struct forward *forward, struct link *link, uint16_t number, bool ours, struct own *own,
                int fd)
{
    struct p2p_stream *stream;
    uint8_t head[TUNNEL_HEAD_LEN];
    int err = p2p_stream_open(&stream, link->member->peer, FORWARD_TUNNEL, 0);
    if (err)
        return err;
    struct tunnel *tunnel = tunnel_new(forward, link, stream);
    if (!tunnel) {
        p2p_stream_free(stream);
        return P2P_ENOMEM;
    }
    tunnel->phase = TUNNEL_ASKED;
    tunnel->own = own;
    tunnel->is_stdio = fd < 0;
    tunnel_head_write(head, &(struct tunnel_head){.ours = ours, .number = number});
    if (fd < 0)
        forward->stdio = tunnel;
    bool good = p2p_stream_write(stream, head, sizeof head) == sizeof head;
    if (good && fd >= 0)
        good = take_socket(forward, tunnel, fd);
    if (good)
        return 0;
    tunnel->fd = -1; /* the caller's */
    tunnel_free(forward, tunnel);
    return P2P_ENOMEM;
}

static void refuse_more(struct p2p_stream *stream)
{
    const uint8_t status = FORWARD_FULL;
    p2p_stream_write(stream, &status, 1);
    p2p_stream_finish(stream);
    p2p_stream_free(stream);
}

void tunnel_accept(struct forward *forward, struct link *link, struct p2p_stream *stream)
{
    if (!link_has_room(forward, link)) {
        refuse_more(stream);
        return;
    }
    struct tunnel *tunnel = tunnel_new(forward, link, stream);
    if (!tunnel) {
        p2p_stream_free(stream);
        return;
    }
    tunnel->head_until = forward->session->now + HEAD_PATIENCE_S * CLOCK_S;
    if (!forward->head_until)
        forward->head_until = tunnel->head_until;
}

/* Who opens connections and says nothing shall not keep others out for ever. */
static void forget_headless(struct forward *forward)
{
    struct tunnel *next;
    uint64_t now = forward->session->now, first = 0;
    if (forward->head_until && now >= forward->head_until) {
        for (struct tunnel *tunnel = TAILQ_FIRST(&forward->tunnels); tunnel; tunnel = next) {
            next = TAILQ_NEXT(tunnel, all);
            if (tunnel->phase != TUNNEL_HEAD)
                continue;
            if (now >= tunnel->head_until)
                tunnel_free(forward, tunnel);
            else if (!first)
                first = tunnel->head_until; /* they stand as they came */
        }
        forward->head_until = first;
    }
    if (forward->head_until)
        session_wake_at(forward->session, forward->head_until);
}

void tunnels_forget(struct forward *forward, const struct link *link)
{
    struct tunnel *next;
    for (struct tunnel *tunnel = TAILQ_FIRST(&forward->tunnels); tunnel; tunnel = next) {
        next = TAILQ_NEXT(tunnel, all);
        if (!link || tunnel->link == link)
            tunnel_abort(forward, tunnel);
    }
}

void tunnel_event(struct forward *forward, struct tunnel *tunnel, const struct p2p_event *event)
{
    if (event->type == P2P_EVENT_READABLE)
        tunnel->stream_readable = true;
    if (event->type == P2P_EVENT_WRITABLE)
        tunnel->stream_full = false;
    activate(forward, tunnel);
}

/* ---- the way to the target ---- */

/* Tells the opener how it went; what is not DONE ends the tunnel. True: it goes on. */
static bool answer(struct forward *forward, struct tunnel *tunnel, enum forward_status status)
{
    uint8_t byte = (uint8_t)status;
    bool told = p2p_stream_write(tunnel->stream, &byte, 1) == 1;
    if (told && status == FORWARD_DONE)
        return true;
    p2p_stream_finish(tunnel->stream);
    tunnel_free(forward, tunnel);
    return false;
}

static enum forward_status status_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* a UNIX socket */
        return FORWARD_REFUSED;
    case ETIMEDOUT:
        return FORWARD_TIMEOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
        return FORWARD_UNREACHABLE;
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return FORWARD_FULL;
    default:
        return FORWARD_FAILED;
    }
}

/* Tries the target's addresses from the present one on. */
static bool try_addresses(struct forward *forward, struct tunnel *tunnel, int error)
{
    for (; tunnel->address < tunnel->target->count; tunnel->address++) {
        int fd = target_connect(tunnel->target, tunnel->address);
        if (fd >= 0 && take_socket(forward, tunnel, fd)) {
            tunnel->phase = TUNNEL_CONNECT;
            tunnel->readable = tunnel->writable = false;
            return false;
        }
        error = errno;
        if (fd >= 0)
            close(fd);
        tunnel->fd = -1;
    }
    return answer(forward, tunnel, status_of(error));
}

static bool look_up(struct forward *forward, struct tunnel *tunnel)
{
    switch (target_resolve(tunnel->target, forward->session->now, &forward->wake)) {
    case TARGET_PENDING:
        return false;
    case TARGET_UNKNOWN:
        return answer(forward, tunnel, FORWARD_UNKNOWN);
    default:
        return try_addresses(forward, tunnel, EADDRNOTAVAIL);
    }
}

static bool read_head(struct forward *forward, struct tunnel *tunnel)
{
    struct tunnel_head head;
    uint8_t *to = tunnel->head + tunnel->head_len;
    ptrdiff_t got = p2p_stream_read(tunnel->stream, to, TUNNEL_HEAD_LEN - tunnel->head_len);
    if (got == P2P_EAGAIN)
        return false;
    tunnel->head_len += got > 0 ? (size_t)got : 0;
    if (got > 0 && tunnel->head_len < TUNNEL_HEAD_LEN)
        return true;
    struct target *target = NULL;
    if (got > 0 && tunnel_head_read(&head, tunnel->head)) {
        struct grant *grant = head.ours ? link_grant(tunnel->link, head.number) : NULL;
        struct own *own = head.ours ? NULL : link_own(forward, tunnel->link, head.number);
        if (grant)
            target = grant->target;
        else if (own && own->kind == OWN_REMOTE)
            target = &own->target;
    }
    if (!target || target->endpoint.udp)
        return answer(forward, tunnel, FORWARD_NOT_ALLOWED);
    tunnel->target = target;
    tunnel->phase = TUNNEL_LOOKUP;
    return true;
}

static bool look_connected(struct forward *forward, struct tunnel *tunnel)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (!tunnel->writable)
        return false;
    getsockopt(tunnel->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (!error) {
        tunnel->phase = TUNNEL_OPEN;
        tunnel->readable = true;
        return answer(forward, tunnel, FORWARD_DONE);
    }
    forward_close(forward, tunnel->fd);
    tunnel->fd = -1;
    tunnel->address++;
    return try_addresses(forward, tunnel, error);
}

/* What the other side says of the target. */
static bool hear_answer(struct forward *forward, struct tunnel *tunnel)
{
    uint8_t status = FORWARD_FAILED;
    char text[ENDPOINT_TEXT_MAX];
    ptrdiff_t got = p2p_stream_read(tunnel->stream, &status, 1);
    struct own *own = tunnel->own;
    if (got == P2P_EAGAIN) {
        tunnel->stream_readable = false;
        return true; /* what is to be sent goes on */
    }
    if (got > 0 && status == FORWARD_DONE) {
        tunnel->phase = TUNNEL_OPEN;
        if (own)
            own->told_trouble = false;
        return true;
    }
    if (status > FORWARD_FAILED)
        status = FORWARD_FAILED;
    if (got == P2P_EGONE)
        own = NULL; /* the peer's end has sentences of its own */
    if (own && !own->told_trouble)
        forward_tell(forward, 0, "failed", "%s: %s", endpoint_print(text, &own->what.target),
                     forward_status_text(status));
    if (own)
        own->told_trouble = true; /* once, until it works again */
    if (tunnel->is_stdio && own)
        session_end(forward->session, EXIT_OTHER, "%s: %s", endpoint_print(text, &own->what.target),
                    forward_status_text(status));
    tunnel_abort(forward, tunnel);
    return false;
}

/* ---- a turn ---- */

/* True: it is still there and has moved something. */
static bool tunnel_pump(struct forward *forward, struct tunnel *tunnel)
{
    enum moved up = tunnel_move_up(forward, tunnel), down = MOVED_NOTHING;
    if (up != MOVED_BROKEN)
        down = tunnel_move_down(forward, tunnel);
    if (up == MOVED_BROKEN || down == MOVED_BROKEN) {
        tunnel_abort(forward, tunnel);
        return false;
    }
    bool over = tunnel->up_ended && tunnel->down_ended;
    if (over && tunnel->is_stdio) { /* who ends with 0 has sent everything */
        if (!tunnel->refused && !p2p_stream_drained(tunnel->stream))
            return false;
        session_end(forward->session, EXIT_DONE, NULL);
    }
    if (over)
        tunnel_free(forward, tunnel);
    return !over && (up == MOVED_SOME || down == MOVED_SOME);
}

static bool tunnel_step(struct forward *forward, struct tunnel *tunnel)
{
    switch (tunnel->phase) {
    case TUNNEL_HEAD:
        return read_head(forward, tunnel);
    case TUNNEL_LOOKUP:
        return look_up(forward, tunnel);
    case TUNNEL_CONNECT:
        return look_connected(forward, tunnel);
    case TUNNEL_ASKED:
        return (!tunnel->stream_readable || hear_answer(forward, tunnel)) && tunnel_pump(forward, tunnel);
    default:
        return tunnel_pump(forward, tunnel);
    }
}

/* A name was looked up: whoever waits for one looks. */
void tunnels_wake(struct forward *forward)
{
    struct tunnel *tunnel;
    TAILQ_FOREACH(tunnel, &forward->tunnels, all)
    {
        if (tunnel->phase == TUNNEL_LOOKUP)
            activate(forward, tunnel);
    }
}

/* Standard input and output have no edges: they are tried each turn, and the session waits for them. */
static void try_stdio(struct forward *forward)
{
    if (!forward->stdio)
        return;
    forward->stdio->readable = forward->stdio->writable = true;
    activate(forward, forward->stdio);
}

bool tunnels_step(struct forward *forward)
{
    struct tunnels turn = TAILQ_HEAD_INITIALIZER(turn);
    struct tunnel *tunnel;
    bool moved = false;
    try_stdio(forward);
    forget_headless(forward);
    TAILQ_CONCAT(&turn, &forward->active, active);
    while ((tunnel = TAILQ_FIRST(&turn))) {
        TAILQ_REMOVE(&turn, tunnel, active);
        tunnel->is_active = false;
        bool going = true;
        for (int i = 0; going && i < MOVES_MAX; i++) {
            going = tunnel_step(forward, tunnel);
            moved = moved || going;
        }
        if (going)
            activate(forward, tunnel);
    }
    return moved;
}
