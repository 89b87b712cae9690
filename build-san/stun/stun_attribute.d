build-san/stun/stun_attribute.o: stun/stun_attribute.c \
 stun/stun_attribute.h stun/stun_msg.h stun/addr.h stun/wire.h
