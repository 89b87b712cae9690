build-san/peer/punch_budget.o: peer/punch_budget.c peer/punch_budget.h \
 stun/addr.h stun/packet.h stun/addr.h peer/punch_plan.h \
 stun/nat_behavior.h
