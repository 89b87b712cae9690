build-san/peer/upnp_igd.o: peer/upnp_igd.c peer/upnp_igd.h stun/portmap.h \
 stun/packet.h stun/addr.h stun/random.h
