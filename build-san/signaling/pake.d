build-san/signaling/pake.o: signaling/pake.c signaling/pake.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h stun/random.h
