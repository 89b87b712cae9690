/* fuzz_ice.c - hostile datagrams, and a hostile order of events, for an agent with pairs.
 * The input is a list of steps. Bytes from outside rarely guess a password, so a step may also sign what it
 * brings: then the fuzzer plays the proven peer. After every step the agent must keep its promises: it comes
 * to rest, sends only to addresses that it was told or heard from, and no more than its budget to those that
 * never answered. */
#include "fuzz.h"
#include "ice_internal.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 200, DATAGRAM_MAX = 600, OUTPUTS_MAX = 2000 };

#define PEER_UFRAG "PeerFrag"
#define PEER_PWD "PeerPasswordPeerPassword"

static const char *const addresses[] = {"203.0.113.9:9",  "203.0.113.9:10",    "192.168.1.20:7",
                                        "127.0.0.1:7",    "192.168.1.10:5001", "[2001:db8::9]:9",
                                        "[fe80::20%2]:7", "198.51.100.7:7",    "192.168.1.10:5000",
                                        "10.0.0.1:1",     "224.0.0.1:9",       "0.0.0.0:0"};
static const char *const bases[] = {"192.168.1.10:5000", "127.0.0.1:5000", "[2001:db8::10]:5000",
                                    "[fe80::10%2]:5000", "198.51.100.5:50000"};

struct fuzz {
    struct ice *ice;
    uint64_t now;
    struct reader in;
    uint8_t last_id[STUN_ID_LEN]; /* of the agent's last request, and where it went */
    struct addr last_to, last_from;
};

static struct addr addr_of(const char *text)
{
    struct addr addr = {0};
    addr_parse(&addr, text);
    return addr;
}

static struct addr pick(struct fuzz *fuzz, const char *const *texts, size_t count)
{
    return addr_of(texts[take_u8(&fuzz->in) % count]);
}

#define PICK(fuzz, texts) pick(fuzz, texts, sizeof texts / sizeof *texts)

/* ---- promises ---- */

static void sent(struct fuzz *fuzz, const struct packet *out)
{
    struct stun_msg msg;
    must(out->len <= PACKET_MAX && stun_decode(&msg, out->data, out->len));
    must(addr_is_usable(&out->remote) && out->local.family == out->remote.family);
    must(addr_scope(&out->remote) != ADDR_LOOPBACK || fuzz->ice->config.same_machine ||
         msg.class != STUN_REQUEST);
    if (msg.class != STUN_REQUEST)
        return;
    memcpy(fuzz->last_id, msg.id, sizeof msg.id);
    fuzz->last_to = out->remote;
    fuzz->last_from = out->local;
}

static void rest(struct fuzz *fuzz)
{
    for (unsigned i = 0;; i++) {
        must(i < OUTPUTS_MAX);
        uint8_t data[PACKET_MAX];
        struct packet out = {.data = data, .len = sizeof data};
        if (!ice_output(fuzz->ice, fuzz->now, &out))
            break;
        sent(fuzz, &out);
    }
    struct ice_event event;
    while (ice_event(fuzz->ice, &event))
        must(memchr(event.why, '\0', sizeof event.why) != NULL);
    must(ice_deadline(fuzz->ice) > fuzz->now);
    must(fuzz->ice->unanswered <= ICE_CHECKS_MAX);
    struct path path;
    if (ice_path(fuzz->ice, &path))
        must(addr_is_usable(&path.remote) && !fuzz->ice->lost);
    if (fuzz->ice->path)
        must(fuzz->ice->path->used && fuzz->ice->path->answered && !fuzz->ice->stalled);
}

/* ---- steps ---- */

static void datagram(struct fuzz *fuzz, struct addr from, struct addr to, uint8_t *data, size_t len)
{
    struct packet in = {.local = to, .remote = from, .data = data, .len = len};
    ice_input(fuzz->ice, fuzz->now, &in);
}

static void step_raw(struct fuzz *fuzz)
{
    struct addr from = PICK(fuzz, addresses), to = PICK(fuzz, bases);
    uint8_t data[DATAGRAM_MAX];
    size_t len = take_u8(&fuzz->in);
    const uint8_t *bytes = take_bytes(&fuzz->in, len);
    if (!bytes)
        return;
    memcpy(data, bytes, len);
    datagram(fuzz, from, to, data, len);
}

/* A check that is authentic but says what the input likes. */
static void step_check(struct fuzz *fuzz)
{
    char username[64];
    size_t len = strlen(ice_ufrag(fuzz->ice));
    memcpy(username, ice_ufrag(fuzz->ice), len);
    memcpy(username + len, ":" PEER_UFRAG, sizeof ":" PEER_UFRAG);
    struct addr from = PICK(fuzz, addresses), to = PICK(fuzz, bases);
    unsigned known = STUN_HAS_PRIORITY | STUN_HAS_USE_CANDIDATE | STUN_HAS_CONTROLLING | STUN_HAS_CONTROLLED |
                     STUN_HAS_NOMINATION;
    struct stun_msg msg = {.class = STUN_REQUEST, .method = STUN_BINDING};
    msg.has = (take_u8(&fuzz->in) & known) | STUN_HAS_INTEGRITY;
    msg.username = (struct stun_text){username, strlen(username)};
    msg.priority = take_u32(&fuzz->in);
    msg.tie_breaker = take_u8(&fuzz->in) ? UINT64_MAX : 0;
    msg.nomination = take_u16(&fuzz->in);
    uint8_t data[DATAGRAM_MAX];
    struct stun_key key = {(const uint8_t *)ice_pwd(fuzz->ice), strlen(ice_pwd(fuzz->ice))};
    datagram(fuzz, from, to, data, stun_encode(&msg, &key, data, sizeof data));
}

/* An authentic answer to the last check, right or wrong. */
static void step_answer(struct fuzz *fuzz)
{
    uint8_t how = take_u8(&fuzz->in);
    struct stun_msg msg = {.class = STUN_SUCCESS, .method = STUN_BINDING, .has = STUN_HAS_INTEGRITY};
    memcpy(msg.id, fuzz->last_id, sizeof msg.id);
    struct addr from = how & 1 ? PICK(fuzz, addresses) : fuzz->last_to;
    struct addr to = how & 2 ? PICK(fuzz, bases) : fuzz->last_from;
    if (how & 4) {
        msg.class = STUN_ERROR;
        msg.error = (uint16_t)(how & 8 ? 487 : 300 + take_u8(&fuzz->in));
    } else if (!(how & 16)) {
        msg.mapped = PICK(fuzz, addresses);
    }
    uint8_t data[DATAGRAM_MAX];
    struct stun_key key = {(const uint8_t *)PEER_PWD, strlen(PEER_PWD)};
    datagram(fuzz, from, to, data, stun_encode(&msg, &key, data, sizeof data));
}

static void step_remote(struct fuzz *fuzz)
{
    struct wire_candidate wire = {.address = PICK(fuzz, addresses)};
    wire.kind = (enum candidate_kind)(take_u8(&fuzz->in) % 5);
    wire.address.port = (uint16_t)(wire.address.port + take_u8(&fuzz->in));
    wire.priority = take_u32(&fuzz->in);
    ice_add_remote(fuzz->ice, fuzz->now, &wire);
}

static void step_local(struct fuzz *fuzz)
{
    struct candidate candidate = {.base = PICK(fuzz, bases)};
    candidate.kind = (enum candidate_kind)(take_u8(&fuzz->in) % 5);
    candidate.address = candidate.kind == CANDIDATE_HOST ? candidate.base : PICK(fuzz, addresses);
    candidate.priority = take_u32(&fuzz->in);
    ice_add_local(fuzz->ice, fuzz->now, &candidate);
}

static void step_time(struct fuzz *fuzz)
{
    uint16_t ms = take_u16(&fuzz->in);
    uint64_t until = fuzz->now + ms * NS_PER_MS;
    for (unsigned i = 0; i < OUTPUTS_MAX && ice_deadline(fuzz->ice) <= until; i++) {
        fuzz->now = later(fuzz->now, ice_deadline(fuzz->ice));
        rest(fuzz);
    }
    fuzz->now = until;
}

static void step_call(struct fuzz *fuzz)
{
    struct addr base;
    struct packet in = {0};
    switch (take_u8(&fuzz->in) % 8) {
    case 0:
        ice_suspect(fuzz->ice, fuzz->now, take_u8(&fuzz->in) & 1);
        break;
    case 1:
        ice_restart_checks(fuzz->ice, fuzz->now);
        break;
    case 2:
        base = PICK(fuzz, bases);
        ice_remove_base(fuzz->ice, fuzz->now, &base);
        break;
    case 3:
        ice_set_same_machine(fuzz->ice, fuzz->now, take_u8(&fuzz->in) & 1);
        break;
    case 4:
        ice_remotes_complete(fuzz->ice, fuzz->now);
        ice_locals_complete(fuzz->ice, fuzz->now);
        break;
    case 5:
        in.remote = PICK(fuzz, addresses);
        in.local = PICK(fuzz, bases);
        ice_hint(fuzz->ice, fuzz->now, &in);
        break;
    case 6:
        base = PICK(fuzz, addresses);
        ice_set_own(fuzz->ice, &base, 1);
        break;
    default:
        ice_set_remote(fuzz->ice, fuzz->now, PEER_UFRAG, PEER_PWD);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(struct fuzz *) = {step_raw,   step_check, step_answer, step_remote,
                                                   step_local, step_time,  step_call};
    uint64_t seed = 1;
    struct random random = {fill, &seed};
    struct fuzz fuzz = {.in = reader_of(data, size), .now = 1};
    uint8_t flags = take_u8(&fuzz.in);
    struct ice_config config = {.controlling = flags & 1,
                                .renominate = flags & 2,
                                .same_machine = flags & 4,
                                .paths = flags & 8 ? PATH_ALL : PATH_BIT(PATH_DIRECT) | PATH_BIT(PATH_TURN),
                                .random = &random};
    fuzz.ice = ice_new(&config);
    must(fuzz.ice != NULL);
    struct candidate host = {.kind = CANDIDATE_HOST, .address = addr_of(bases[0]), .base = addr_of(bases[0])};
    host.priority = candidate_priority(CANDIDATE_HOST, &host.base, RANK_NORMAL, 0);
    ice_set_own(fuzz.ice, &host.base, 1);
    ice_add_local(fuzz.ice, fuzz.now, &host);
    if (flags & 16)
        ice_set_remote(fuzz.ice, fuzz.now, PEER_UFRAG, PEER_PWD);
    for (unsigned i = 0; i < STEPS_MAX && fuzz.in.left > 0; i++) {
        steps[take_u8(&fuzz.in) % (sizeof steps / sizeof *steps)](&fuzz);
        rest(&fuzz);
    }
    ice_free(fuzz.ice);
    return 0;
}
