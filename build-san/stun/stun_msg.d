build-san/stun/stun_msg.o: stun/stun_msg.c stun/stun_attribute.h \
 stun/stun_msg.h stun/addr.h stun/wire.h
