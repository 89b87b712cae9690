build-san/signaling/message.o: signaling/message.c signaling/message.h \
 stun/nat_behavior.h stun/addr.h signaling/json.h signaling/message_nat.h
