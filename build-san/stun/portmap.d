build-san/stun/portmap.o: stun/portmap.c stun/portmap.h stun/packet.h \
 stun/addr.h stun/random.h stun/portmap_msg.h
