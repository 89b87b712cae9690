/* crowd.c - everybody in the room we have heard of, and our runs with them. Places are few on purpose: a
 * flood of ids costs a fixed amount of memory, and proven peers and handshakes under way are never pushed out
 * by it. */
#include "crowd.h"
#include "packet.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct peer *crowd_find(struct crowd *crowd, const char *id)
{
    for (size_t i = 0; i < crowd->used; i++)
        if (!strcmp(crowd->peers[i].id, id))
            return &crowd->peers[i];
    return NULL;
}

/* 0 goes first. Asked for 4 s without an answer is what becomes of every id that a flood makes up. A knock is
 * worth more than a hello: its sender has spent a scalar multiplication and knows our id. */
static int worth(const struct peer *peer)
{
    enum { TRIED, PRESENT, KNOCKING, KNOWN, BUSY = KNOWN + KNOCKING };
    if (peer->session || peer->invited || (peer->asking && run_is_asking(peer->asking)))
        return BUSY;
    if (peer->asking && !peer->known)
        return TRIED;
    return (peer->wish == WISH_KNOCK ? KNOCKING : PRESENT) + (peer->known ? KNOWN - PRESENT : 0);
}

static struct peer *least_worth(struct crowd *crowd)
{
    struct peer *least = &crowd->peers[0];
    if (crowd->used < RENDEZVOUS_PEERS_MAX)
        return &crowd->peers[crowd->used++];
    for (size_t i = 1; i < crowd->used; i++) {
        struct peer *peer = &crowd->peers[i];
        int order = worth(peer) - worth(least);
        if (order < 0 || (order == 0 && peer->heard < least->heard))
            least = peer;
    }
    return least->session || least->invited || (least->asking && run_is_asking(least->asking)) ? NULL : least;
}

struct peer *crowd_admit(struct crowd *crowd, uint64_t now, const char *id)
{
    struct peer *peer = crowd_find(crowd, id);
    if (!peer) {
        peer = least_worth(crowd);
        if (!peer)
            return NULL;
        peer_leave(peer);
        memcpy(peer->id, id, sizeof peer->id);
    }
    peer->heard = now;
    return peer;
}

bool crowd_handle(struct crowd *crowd, peer_handle handle, struct peer **peer, struct run **run)
{
    for (size_t i = 0; handle && i < crowd->used; i++) {
        struct run *runs[] = {crowd->peers[i].session, crowd->peers[i].invited};
        for (size_t n = 0; n < 2; n++) {
            if (runs[n] && runs[n]->announced && runs[n]->handle == handle) {
                *peer = &crowd->peers[i];
                *run = runs[n];
                return true;
            }
        }
    }
    return false;
}

void crowd_forgive(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->used; i++) {
        crowd->peers[i].declined = 0;
        crowd->peers[i].put_off = 0;
    }
}

unsigned crowd_sessions(const struct crowd *crowd)
{
    unsigned count = 0;
    for (size_t i = 0; i < crowd->used; i++)
        count += crowd->peers[i].session != NULL;
    return count;
}

/* Until when this peer keeps a place from others; 0: it does not. */
static uint64_t arrival_end(const struct peer *peer)
{
    if (peer->session)
        return peer->session->arrived ? 0 : peer->session->proven + ARRIVAL_MS * NS_PER_MS;
    return peer->invited ? peer->invited->began + PROOF_MS * NS_PER_MS : 0;
}

uint64_t crowd_place(const struct crowd *crowd, uint64_t now, unsigned places)
{
    unsigned arriving = 0;
    uint64_t first = NEVER;
    for (size_t i = 0; i < crowd->used; i++) {
        uint64_t end = arrival_end(&crowd->peers[i]);
        if (end <= now)
            continue;
        arriving++;
        first = end < first ? end : first;
    }
    return arriving < places ? now : first;
}

unsigned crowd_invited(const struct crowd *crowd)
{
    unsigned count = 0;
    for (size_t i = 0; i < crowd->used; i++)
        count += crowd->peers[i].invited != NULL;
    return count;
}

bool crowd_knocks(const struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->used; i++)
        if (crowd->peers[i].wish == WISH_KNOCK)
            return true;
    return false;
}

struct run *run_new(peer_handle handle)
{
    struct run *run = calloc(1, sizeof *run);
    if (run)
        run->handle = handle;
    return run;
}

void run_free(struct run *run)
{
    if (!run)
        return;
    handshake_wipe(&run->handshake);
    parcel_free(run->reply);
    parcel_free_list(run->mail);
    free(run->farewell);
    free(run);
}

bool run_awaits_answer(const struct run *run)
{
    return run && run->handshake.state == HANDSHAKE_ASKED && !run->parked;
}

bool run_is_asking(const struct run *run)
{
    return run->handshake.state == HANDSHAKE_ASKED && run->reply && run->reply->due != NEVER;
}

void run_post(struct run *run, struct parcel *parcel)
{
    struct parcel **at = &run->mail;
    size_t count = 0;
    for (; *at; at = &(*at)->next)
        count++;
    *at = parcel;
    if (count < RUN_MAIL_MAX)
        return;
    struct parcel *first = run->mail;
    run->mail = first->next;
    parcel_free(first);
}

void run_drop_mail(struct run *run)
{
    parcel_free_list(run->mail);
    run->mail = NULL;
}

void peer_end_run(struct peer *peer, struct run **run)
{
    const struct pake *pake = &(*run)->handshake.pake;
    memcpy(pake->role == PAKE_INITIATOR ? peer->used_pake2 : peer->used_pake1, pake->peer, POINT_LEN);
    run_free(*run);
    *run = NULL;
}

void peer_leave(struct peer *peer)
{
    run_free(peer->asking);
    run_free(peer->invited);
    run_free(peer->session);
    sodium_memzero(peer, sizeof *peer);
}
