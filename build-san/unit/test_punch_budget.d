build-san/unit/test_punch_budget: tests/unit/test_punch_budget.c \
 peer/punch_budget.h stun/addr.h stun/packet.h stun/addr.h \
 peer/punch_plan.h stun/nat_behavior.h
