build-san/unit/test_path: tests/unit/test_path.c stun/packet.h \
 stun/addr.h peer/path.h stun/addr.h signaling/message.h \
 stun/nat_behavior.h peer/punch_plan.h
