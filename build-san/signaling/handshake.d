build-san/signaling/handshake.o: signaling/handshake.c \
 signaling/handshake.h signaling/rendezvous.h signaling/message.h \
 stun/nat_behavior.h stun/addr.h signaling/pake.h stun/random.h \
 signaling/seal.h signaling/veil.h
