build-san/signaling/message_nat.o: signaling/message_nat.c \
 signaling/message_nat.h signaling/json.h stun/nat_behavior.h stun/addr.h
