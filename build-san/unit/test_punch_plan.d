build-san/unit/test_punch_plan: tests/unit/test_punch_plan.c \
 peer/punch_plan.h stun/nat_behavior.h stun/addr.h
