build-san/peer/path.o: peer/path.c peer/path.h stun/addr.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h peer/punch_plan.h \
 peer/nat_words.h stun/packet.h
