/* nice_room - an MQTT room for the libnice peers: who is there, and a line to one of them. Not the product's
 * room. */
#ifndef NICE_ROOM_H
#define NICE_ROOM_H

#include <stdbool.h>

struct mosquitto;

enum { NICE_ROOM_ID = 16, NICE_ROOM_TOPIC = 160, NICE_ROOM_MESSAGE = 8192 };

/* Called for each message that is not our own echo. TYPE and FROM are words, BODY the rest; all end with NUL
 * and live until the call returns. */
typedef void nice_room_heard(void *user, const char *type, const char *from, char *body);

struct nice_room {
    struct mosquitto *mosq;
    char id[NICE_ROOM_ID + 1]; /* random, hexadecimal, new for every run */
    char base[NICE_ROOM_TOPIC];
    nice_room_heard *heard;
    void *user;
};

/* Connects (waits for TCP alone), then sends CONNECT, SUBSCRIBE and PUBLISH of the hello with BODY in one
 * flight and hands the rest to the default GLib main context. 0, or -1 with a line on standard error. */
int nice_room_join(struct nice_room *room, const char *host, int port, const char *name, const char *body);

/* Sends TYPE with BODY to the peer TO, at quality of service 0. */
void nice_room_say(struct nice_room *room, const char *to, const char *type, const char *body);

void nice_room_leave(struct nice_room *room);

#endif
