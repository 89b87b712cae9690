build-san/signaling/rendezvous.o: signaling/rendezvous.c \
 signaling/meeting.h signaling/crowd.h signaling/handshake.h \
 signaling/rendezvous.h signaling/message.h stun/nat_behavior.h \
 stun/addr.h signaling/pake.h stun/random.h signaling/seal.h \
 signaling/veil.h signaling/parcel.h signaling/notice.h stun/packet.h \
 signaling/quota.h signaling/sightings.h signaling/room.h
