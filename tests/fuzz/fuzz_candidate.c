/* fuzz_candidate.c - candidates as a hostile peer would write them, from the text inside the seal to the
 * packets they cause. Whatever it says: no packet to loopback, multicast or port 0, none to our own socket,
 * and a hundred in all. */
#include "fuzz.h"
#include "ice_internal.h"
#include <stdlib.h>
#include <string.h>

static void add_base(struct ice *ice, const char *text)
{
    struct candidate host = {.kind = CANDIDATE_HOST};
    must(addr_parse(&host.address, text));
    host.base = host.address;
    host.priority = candidate_priority(CANDIDATE_HOST, &host.base, RANK_NORMAL, 0);
    candidate_foundation(&host);
    must(ice_add_local(ice, 0, &host));
}

static struct ice *agent(const struct random *random)
{
    struct ice_config config = {.controlling = true, .renominate = true, .paths = PATH_ALL, .random = random};
    struct ice *ice = ice_new(&config);
    must(ice != NULL);
    add_base(ice, "192.168.1.10:5000");
    add_base(ice, "[2001:db8::10]:5000");
    add_base(ice, "[fe80::10%2]:5000");
    add_base(ice, "127.0.0.1:5000");
    add_base(ice, "[::1]:5000");
    ice_set_remote(ice, 0, "PeerFrag", "PeerPasswordPeerPassword");
    return ice;
}

static void must_be_harmless(const struct packet *out)
{
    must(addr_is_usable(&out->remote) && addr_scope(&out->remote) != ADDR_LOOPBACK);
    must(out->remote.family == out->local.family && !addr_equal(&out->remote, &out->local));
    must(addr_scope(&out->remote) != ADDR_LINK_LOCAL || out->remote.scope == out->local.scope);
}

static void drain(struct ice *ice, uint64_t now, size_t *count)
{
    uint8_t data[PACKET_MAX];
    struct packet out = {.data = data, .len = sizeof data};
    while (ice_output(ice, now, &out)) {
        must_be_harmless(&out);
        must(++*count <= ICE_CHECKS_MAX);
        out.len = sizeof data;
    }
    must(ice_deadline(ice) > now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct body body;
    if (!body_decode(&body, data, size))
        return 0;
    uint64_t seed = 1, now = 0;
    struct random random = {fill, &seed};
    struct ice *ice = agent(&random);
    size_t count = 0;
    for (size_t i = 0; i < body.description.candidate_count; i++)
        ice_add_remote(ice, 0, &body.description.candidates[i]);
    for (drain(ice, now, &count); ice_deadline(ice) != NEVER; drain(ice, now, &count))
        now = ice_deadline(ice);
    ice_free(ice);
    return 0;
}
