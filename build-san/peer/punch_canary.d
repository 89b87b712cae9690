build-san/peer/punch_canary.o: peer/punch_canary.c peer/punch_canary.h \
 stun/packet.h stun/addr.h stun/random.h stun/stun_msg.h
