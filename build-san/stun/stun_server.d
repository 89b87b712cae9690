build-san/stun/stun_server.o: stun/stun_server.c stun/stun_server.h \
 stun/packet.h stun/addr.h stun/random.h stun/stun_attribute.h \
 stun/stun_msg.h stun/wire.h
