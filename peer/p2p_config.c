/* p2p_config.c - what a program configures, checked, copied into the node and freed with it. */
#include "p2p_internal.h"

#include "defaults.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t list_len(const char *const *list)
{
    size_t len = 0;
    while (list && list[len])
        len++;
    return len;
}

static int copy_list(char **out, size_t max, const char *const *list, size_t *count)
{
    size_t len = list_len(list);
    if (len > max)
        return P2P_EINVAL;
    for (size_t i = 0; i < len; i++) {
        out[i] = strdup(list[i]);
        if (!out[i])
            return P2P_ENOMEM;
        if (count)
            *count = i + 1;
    }
    return 0;
}

static int set_brokers(struct p2p_node *node, const char *const *list)
{
    size_t len = list_len(list);
    if (len > RENDEZVOUS_BROKERS_MAX)
        return P2P_EINVAL;
    for (size_t i = 0; i < len; i++)
        if (!mqtt_url_parse(&node->brokers[i], list[i]))
            return P2P_EINVAL;
    node->broker_count = (unsigned)len;
    return 0;
}

static int set_stun(struct p2p_node *node, const char *const *list)
{
    char host[256];
    uint16_t port;
    if (list_len(list) == 1 && strcmp(list[0], "none") == 0)
        return 0;
    for (size_t i = 0; list[i]; i++)
        if (!resolver_parse(list[i], STUN_PORT, host, &port))
            return P2P_EINVAL;
    return copy_list(node->stun, STUN_MAX, list, &node->stun_count);
}

/* The rules for a peer's name are those for a room's, but for the length: what breaks them nobody would hear.
 */
static int set_name(char *out, size_t size, const char *name)
{
    size_t len = strlen(name);
    if (len >= size || !room_valid(name))
        return P2P_EINVAL;
    memcpy(out, name, len + 1);
    return 0;
}

static int set_purpose(struct p2p_node *node, const char *purpose)
{
    if (!purpose_valid(purpose))
        return P2P_EINVAL;
    snprintf(node->purpose, sizeof node->purpose, "%s", purpose);
    return 0;
}

static int set_names(struct p2p_node *node, const struct p2p_config *config)
{
    char host[PEER_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof host - 1) || !host[0])
        snprintf(host, sizeof host, "unnamed");
    int err = set_name(node->name, sizeof node->name, config->name ? config->name : host);
    if (!err)
        err = set_purpose(node, config->purpose ? config->purpose : "library");
    const char *id = config->to ? strrchr(config->to, '#') : NULL;
    if (!err && config->to && strlen(config->to) > PEER_NAME_MAX && (!id || id - config->to > PEER_NAME_MAX))
        err = P2P_EINVAL;
    if (!err && config->to)
        err = set_name(node->to, sizeof node->to, config->to);
    return err;
}

/* Without turn among the paths nobody is asked for a relay. */
static int set_turn(struct p2p_node *node, const struct p2p_config *config)
{
    bool allowed = node->paths & 1u << P2P_TURN;
    for (size_t i = 0; config->turn && config->turn[i]; i++) {
        if (i == NODE_TURN_MAX)
            return P2P_EINVAL;
        struct p2p_turn *turn = &node->turn[i];
        if (!turn_uri_parse(&turn->uri, config->turn[i]) || strlen(config->turn[i]) >= sizeof turn->text)
            return P2P_EINVAL;
        snprintf(turn->text, sizeof turn->text, "%s", config->turn[i]);
        node->turn_count += allowed;
    }
    if (!node->turn_count)
        return 0;
    node->turn_user = strdup(config->turn_user ? config->turn_user : "");
    node->turn_password = strdup(config->turn_password ? config->turn_password : "");
    return node->turn_user && node->turn_password ? 0 : P2P_ENOMEM;
}

int config_take(struct p2p_node *node, const struct p2p_config *config)
{
    if (config->max_peers > NODE_PEERS_MAX || config->max_streams > QUIC_STREAMS_MANY ||
        config->paths & ~(unsigned)PATH_ALL || config->congestion > P2P_BBR)
        return P2P_EINVAL;
    node->max_peers = config->max_peers ? config->max_peers : 8;
    node->max_streams = config->max_streams;
    node->congestion = config->congestion;
    node->paths = config->paths ? config->paths : PATH_ALL;
    node->port = config->port;
    node->trace = config->trace;
    node->serves = config->serves;
    node->maps_ports = !config->no_portmap;
    memory_begin(node, config);
    if (config->broker_relay != P2P_BROKER_RELAY_OFF && config->broker_relay > BROKER_RELAY_MAX)
        return P2P_EINVAL;
    node->broker_relay = config->broker_relay == P2P_BROKER_RELAY_OFF ? 0
                         : config->broker_relay                       ? (uint32_t)config->broker_relay
                                                                      : BROKER_RELAY_DEFAULT;
    int err = set_names(node, config);
    if (!err)
        err = set_brokers(node, config->brokers && config->brokers[0] ? config->brokers : default_brokers);
    /* What a server would see of us is the end of direct paths alone: without them nobody is asked. */
    if (!err && node->paths & 1u << P2P_DIRECT)
        err = set_stun(node, config->stun && config->stun[0] ? config->stun : default_stun);
    if (!err)
        err = set_turn(node, config);
    if (!err)
        err = copy_list(node->interfaces, LIST_MAX, config->interfaces, NULL);
    if (!err)
        err = copy_list(node->exclude, LIST_MAX, config->exclude, NULL);
    return err;
}

static void free_list(char **list)
{
    for (size_t i = 0; list[i]; i++)
        free(list[i]);
}

void config_free(struct p2p_node *node)
{
    for (size_t i = 0; i < node->stun_count; i++)
        free(node->stun[i]);
    free_list(node->interfaces);
    free_list(node->exclude);
    if (node->turn_password)
        sodium_memzero(node->turn_password, strlen(node->turn_password));
    free(node->turn_password);
    free(node->turn_user);
}
