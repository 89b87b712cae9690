build-san/peer/candidate.o: peer/candidate.c peer/candidate.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h
