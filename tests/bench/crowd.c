/* crowd.c - a room full of peers in one process: crowd BROKER ROOM COUNT STARTS_A_SECOND
 *
 * Each is the product's own node, purpose echo with eight places, with a UDP socket on loopback. Cheap is
 * that all share one connection to the broker and one thread, that nothing is echoed, and that of each
 * other's hellos they take what an echo takes of an echo's, that it is there, without reading each a thousand
 * times. Says "ready" when all have been there for a while, goes on until standard input ends, and then says
 * how many messages it has published. */
#include "meeting.h"
#include "mqtt.h"
#include "net.h"
#include "node.h"
#include "veil.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { MEMBERS_MAX = 2000, PLACES = 8, SETTLE_S = 20, PACKETS_A_TURN = 64 };

struct member {
    struct node *node;
    int socket;
    char inbox[TOPIC_MAX];
    const char *id;
};

static struct member members[MEMBERS_MAX];
static unsigned count, started;
static struct mqtt *mqtt;
static bool in_room;
static uint64_t published;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void fill(void *context, uint8_t *out, size_t len)
{
    (void)context;
    randombytes_buf(out, len);
}

static const struct random randomness = {fill, NULL};

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- one member ---- */

static void send_packet(const struct member *member, const struct packet *out)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(out->remote.port)};
    size_t segment = out->segment ? out->segment : out->len;
    memcpy(&to.sin_addr, out->remote.ip, 4);
    for (size_t at = 0; at < out->len && out->remote.family == 4; at += segment)
        (void)!sendto(member->socket, out->data + at, out->len - at < segment ? out->len - at : segment, 0,
                      (struct sockaddr *)&to, sizeof to); /* lost like any packet */
}

static bool take_events(struct member *member, uint64_t now)
{
    struct node_event event;
    bool any = false;
    for (; node_event(member->node, now, &event); any = true)
        if (event.type == NODE_CLOSED)
            node_release(member->node, event.slot);
    return any;
}

static void drain(struct member *member, uint64_t now)
{
    static uint8_t buffer[QUIC_BATCH];
    struct letter letter;
    bool more;
    take_events(member, now);
    do {
        struct packet out = {.data = buffer, .len = sizeof buffer};
        more = node_output(member->node, now, &out);
        if (more)
            send_packet(member, &out);
        more = take_events(member, now) || more;
    } while (more);
    while (node_letter_output(member->node, now, &letter))
        published += mqtt_publish(mqtt, letter.topic, letter.data, letter.len);
}

static void open_socket(struct member *member, int epoll, struct addr *local)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof own;
    member->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (member->socket < 0 || bind(member->socket, (struct sockaddr *)&own, sizeof own) ||
        getsockname(member->socket, (struct sockaddr *)&own, &len))
        give_up("socket");
    struct epoll_event watched = {.events = EPOLLIN, .data.ptr = member};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, member->socket, &watched))
        give_up("epoll_ctl");
    *local = addr_make4((const uint8_t[]){127, 0, 0, 1}, ntohs(own.sin_port));
}

static struct node *make_node(const char *room, unsigned number)
{
    char name[32];
    uint8_t machine[32];
    bool known = net_machine(machine);
    snprintf(name, sizeof name, "member %u", number);
    struct node *node = node_new(&(struct node_config){.room = room,
                                                       .name = name,
                                                       .purpose = "echo",
                                                       .machine = known ? machine : NULL,
                                                       .brokers = 1,
                                                       .max_peers = PLACES,
                                                       .serves = true,
                                                       .paths = PATH_ALL,
                                                       .random = &randomness});
    if (!node)
        give_up("node");
    return node;
}

static void start_member(const char *room, int epoll, uint64_t now)
{
    struct member *member = &members[started];
    struct node_address address = {.mtu = 65536};
    char hello[TOPIC_MAX];
    member->node = make_node(room, started++);
    rendezvous_topics(node_rendezvous(member->node), hello, member->inbox);
    member->id = rendezvous_id(node_rendezvous(member->node));
    open_socket(member, epoll, &address.address);
    node_set_addresses(member->node, now, &address, 1);
    node_stun_resolved(member->node, now);
    node_broker_connected(member->node, now, 0);
    drain(member, now);
}

/* ---- what arrives ---- */

static void take_packets(struct member *member, uint64_t now)
{
    static uint8_t data[65536];
    struct sockaddr_in from;
    for (unsigned i = 0; i < PACKETS_A_TURN; i++) {
        socklen_t len = sizeof from;
        ssize_t got = recvfrom(member->socket, data, sizeof data, 0, (struct sockaddr *)&from, &len);
        if (got < 0)
            return;
        struct packet in = {.data = data, .len = (size_t)got};
        in.remote = addr_make4((const uint8_t *)&from.sin_addr, ntohs(from.sin_port));
        socklen_t own_len = sizeof from;
        getsockname(member->socket, (struct sockaddr *)&from, &own_len);
        in.local = addr_make4((const uint8_t *)&from.sin_addr, ntohs(from.sin_port));
        node_input(member->node, now, &in);
        drain(member, now);
    }
}

/* Whether it is a member's hello: then the others have heard it. */
static bool is_own_hello(const struct mqtt_event *told)
{
    struct message message;
    const struct member *from = NULL;
    if (!message_decode(&message, told->data, told->len) || message.type != MESSAGE_HELLO)
        return false;
    for (unsigned i = 0; i < started && !from; i++)
        from = strcmp(members[i].id, message.from) ? NULL : &members[i];
    struct rendezvous *machine = from ? node_rendezvous(from->node) : NULL;
    if (!machine || !veil_open(machine->party.veil_key, &message))
        return false;
    uint64_t now = now_ns();
    for (unsigned i = 0; i < started; i++) {
        machine = node_rendezvous(members[i].node);
        if (&members[i] == from)
            continue;
        answer_count(machine, now);
        presence_note(&machine->presence, now, message.from, message.about.slots > 0);
    }
    return true;
}

static void take_letters(void)
{
    struct mqtt_event told;
    while (mqtt_event(mqtt, &told)) {
        in_room |= told.type == MQTT_CONNECTED;
        if (told.type == MQTT_MESSAGE && is_own_hello(&told))
            continue;
        bool to_one = told.type == MQTT_MESSAGE && strstr(told.topic, "/to/");
        for (unsigned i = 0; told.type == MQTT_MESSAGE && i < started; i++) {
            if (to_one && strcmp(members[i].inbox, told.topic) != 0)
                continue;
            uint64_t now = now_ns();
            node_letter_input(members[i].node, now, 0, told.topic, told.data, told.len);
            drain(&members[i], now);
        }
    }
}

/* Answers when the next one wants to be called. */
static uint64_t take_deadlines(void)
{
    uint64_t next = NEVER, now = now_ns();
    for (unsigned i = 0; i < started; i++) {
        uint64_t deadline = node_deadline(members[i].node);
        if (deadline <= now) {
            drain(&members[i], now);
            deadline = node_deadline(members[i].node);
        }
        next = deadline < next ? deadline : next;
    }
    return next;
}

/* ---- the room ---- */

static void open_room(const char *broker, const char *room)
{
    char topic[ROOM_TOPIC_LEN + 1], hello[TOPIC_MAX], inboxes[TOPIC_MAX];
    struct mqtt_config config = {.topics = {hello, inboxes}, .hears_itself = true};
    room_topic(topic, room);
    snprintf(hello, sizeof hello, "p2pconnect/1/%s/hello", topic);
    snprintf(inboxes, sizeof inboxes, "p2pconnect/1/%s/to/+", topic);
    if (!mqtt_url_parse(&config.url, broker) || mqtt_open(&mqtt, &config))
        give_up("broker");
}

static int wait_ms(uint64_t until)
{
    uint64_t now = now_ns();
    if (until <= now)
        return 0;
    return until - now > NS_PER_S ? 1000 : (int)((until - now) / NS_PER_MS) + 1;
}

/* Until standard input ends. */
static void run(const char *room, int epoll, uint64_t gap)
{
    struct epoll_event ready[64];
    uint64_t next_start = now_ns(), next = 0, said = 0;
    for (;;) {
        uint64_t now = now_ns();
        if (in_room && started < count && now >= next_start) {
            start_member(room, epoll, now);
            next_start += gap;
            said = now + SETTLE_S * NS_PER_S;
        }
        if (started == count && said && now >= said) {
            puts("ready");
            fflush(stdout);
            said = 0;
        }
        next = take_deadlines();
        if (started < count)
            next = next_start < next ? next_start : next;
        int many = epoll_wait(epoll, ready, 64, wait_ms(next));
        for (int i = 0; i < many; i++) {
            if (!ready[i].data.ptr)
                return;
            if (ready[i].data.ptr == mqtt)
                take_letters();
            else
                take_packets(ready[i].data.ptr, now_ns());
        }
    }
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(0);
    if (argc != 5 || sodium_init() < 0 || epoll < 0)
        return 2;
    count = (unsigned)strtoul(argv[3], NULL, 10);
    unsigned rate = (unsigned)strtoul(argv[4], NULL, 10);
    if (!count || count > MEMBERS_MAX || !rate)
        return 2;
    open_room(argv[1], argv[2]);
    struct epoll_event input = {.events = EPOLLIN}, letters = {.events = EPOLLIN, .data.ptr = mqtt};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, mqtt_fd(mqtt), &letters))
        give_up("epoll_ctl");
    run(argv[2], epoll, NS_PER_S / rate);
    for (unsigned i = 0; i < started; i++)
        node_free(members[i].node);
    mqtt_close(mqtt, 200);
    printf("%llu\n", (unsigned long long)published);
    return 0;
}
