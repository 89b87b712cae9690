build-san/signaling/seal.o: signaling/seal.c signaling/seal.h \
 signaling/pake.h signaling/message.h stun/nat_behavior.h stun/addr.h \
 stun/random.h
