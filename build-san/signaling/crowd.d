build-san/signaling/crowd.o: signaling/crowd.c signaling/crowd.h \
 signaling/handshake.h signaling/rendezvous.h signaling/message.h \
 stun/nat_behavior.h stun/addr.h signaling/pake.h stun/random.h \
 signaling/seal.h signaling/veil.h signaling/parcel.h stun/packet.h
