/* relay.c - packets by way of the broker: binary letters from and to peers that have proven the secret.
 *
 * A letter under relay/ID is the sender's id, 16 characters, and one packet. Nothing here seals it: the
 * packet is QUIC's, encrypted under the key of the PAKE, and the id says only whose. It is taken from those
 * alone who have a session with us; who forges such an id has QUIC drop what it cannot decrypt. QoS 0, never
 * repeated: QUIC does that. */
#include "meeting.h"
#include <stdio.h>
#include <string.h>

static void print_topic(char topic[TOPIC_MAX], const struct rendezvous *r, const char *id)
{
    snprintf(topic, TOPIC_MAX, "p2pconnect/1/%s/relay/%s", r->party.room, id);
}

void rendezvous_relay_topic(const struct rendezvous *r, char topic[TOPIC_MAX])
{
    print_topic(topic, r, r->party.id);
}

bool rendezvous_is_relay(const struct rendezvous *r, const char *topic)
{
    char ours[TOPIC_MAX];
    rendezvous_relay_topic(r, ours);
    return !strcmp(topic, ours);
}

bool rendezvous_relay_input(struct rendezvous *r, unsigned broker, const uint8_t *data, size_t len,
                            struct relayed *relayed)
{
    char from[PEER_ID_LEN + 1] = "";
    bool fits = len > PEER_ID_LEN && len <= PEER_ID_LEN + RELAY_PACKET_MAX && data[0];
    if (fits)
        memcpy(from, data, PEER_ID_LEN);
    struct peer *peer = fits ? crowd_find(&r->crowd, from) : NULL;
    if (!peer || !peer->session) {
        r->stats.strangers++;
        return false;
    }
    peer->relayed_by = UINT32_C(1) << broker;
    *relayed =
        (struct relayed){.peer = peer->session->handle, .data = data + PEER_ID_LEN, .len = len - PEER_ID_LEN};
    return true;
}

/* The broker that last brought a packet of this peer reaches it surely; the one where we met did once. */
static uint32_t choose_broker(const struct rendezvous *r, const struct peer *peer)
{
    if (peer && peer->relayed_by & r->connected)
        return peer->relayed_by;
    if (peer && peer->broker & r->connected)
        return peer->broker;
    return r->connected;
}

uint32_t rendezvous_relay_broker(struct rendezvous *r, const char *id)
{
    return choose_broker(r, crowd_find(&r->crowd, id));
}

bool rendezvous_relay_address(struct rendezvous *r, const char *id, struct letter *letter)
{
    letter->brokers = choose_broker(r, crowd_find(&r->crowd, id));
    letter->relay = true;
    print_topic(letter->topic, r, id);
    memcpy(letter->data, r->party.id, PEER_ID_LEN);
    letter->len = PEER_ID_LEN;
    return letter->brokers != 0;
}
