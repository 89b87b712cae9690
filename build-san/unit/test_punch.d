build-san/unit/test_punch: tests/unit/test_punch.c peer/punch.h \
 stun/packet.h stun/addr.h peer/punch_budget.h stun/addr.h \
 peer/punch_plan.h stun/nat_behavior.h stun/random.h peer/punch_canary.h \
 stun/stun_msg.h
