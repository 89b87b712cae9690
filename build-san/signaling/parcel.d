build-san/signaling/parcel.o: signaling/parcel.c signaling/parcel.h \
 signaling/rendezvous.h signaling/message.h stun/nat_behavior.h \
 stun/addr.h signaling/pake.h stun/random.h stun/packet.h
