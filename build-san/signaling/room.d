build-san/signaling/room.o: signaling/room.c signaling/room.h \
 signaling/json.h signaling/rendezvous.h signaling/message.h \
 stun/nat_behavior.h stun/addr.h signaling/pake.h stun/random.h
