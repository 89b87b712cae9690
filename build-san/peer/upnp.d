build-san/peer/upnp.o: peer/upnp.c peer/upnp.h stun/portmap.h \
 stun/packet.h stun/addr.h stun/random.h peer/upnp_igd.h
