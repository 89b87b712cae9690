build-san/peer/punch_plan.o: peer/punch_plan.c peer/punch_plan.h \
 stun/nat_behavior.h stun/addr.h
