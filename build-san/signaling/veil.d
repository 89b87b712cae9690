build-san/signaling/veil.o: signaling/veil.c signaling/veil.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h signaling/pake.h \
 stun/random.h
