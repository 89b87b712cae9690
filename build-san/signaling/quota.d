build-san/signaling/quota.o: signaling/quota.c signaling/quota.h \
 signaling/rendezvous.h signaling/message.h stun/nat_behavior.h \
 stun/addr.h signaling/pake.h stun/random.h stun/packet.h
