/* defaults.h - the servers of others that are asked where the user names none. */
#ifndef DEFAULTS_H
#define DEFAULTS_H

#include <stddef.h>

static const char *const default_brokers[] = {"broker.emqx.io", NULL};
/* Two that stand at different addresses: only so a NAT shows whether it maps by destination. */
static const char *const default_stun[] = {"stun.l.google.com:19302", "stun.cloudflare.com:3478", NULL};

#endif
