build-san/signaling/sightings.o: signaling/sightings.c \
 signaling/sightings.h stun/random.h signaling/message.h \
 stun/nat_behavior.h stun/addr.h stun/packet.h
