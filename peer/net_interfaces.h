/* net_interfaces.h - this machine's network interfaces and their addresses, watched. Part of net. */
#ifndef NET_INTERFACES_H
#define NET_INTERFACES_H

#include "net.h"

struct interfaces;

/* As net_open. Where changes cannot be watched the descriptor is -1. */
int interfaces_open(struct interfaces **out, const struct net_config *config);
void interfaces_close(struct interfaces *interfaces);
int interfaces_fd(const struct interfaces *interfaces);
bool interfaces_have_changed(struct interfaces *interfaces);
/* As net_addresses, ports 0. */
size_t interfaces_addresses(struct interfaces *interfaces, struct node_address *out, size_t max);
/* As net_interfaces. */
size_t interfaces_list(const struct interfaces *interfaces, struct net_interface *out, size_t max);
/* The index of the interface that packets from `local` must leave by; 0: the routes decide. Where only some
 * interfaces may be used, an address of one of them is not enough: its packets would leave by another when
 * the route to the peer does. */
uint32_t interfaces_index(const struct interfaces *interfaces, const struct addr *local);

#endif
