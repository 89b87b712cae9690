build-san/signaling/notice.o: signaling/notice.c signaling/notice.h \
 signaling/rendezvous.h signaling/message.h stun/nat_behavior.h \
 stun/addr.h signaling/pake.h stun/random.h
