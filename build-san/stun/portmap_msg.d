build-san/stun/portmap_msg.o: stun/portmap_msg.c stun/portmap_msg.h \
 stun/addr.h stun/wire.h
