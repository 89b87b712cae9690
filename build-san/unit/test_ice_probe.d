build-san/unit/test_ice_probe: tests/unit/test_ice_probe.c \
 tests/unit/ice_solo.h tests/unit/ice_net.h peer/ice.h peer/candidate.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h stun/packet.h \
 peer/path.h stun/addr.h peer/punch_plan.h stun/random.h stun/stun_msg.h \
 peer/ice_internal.h peer/ice.h stun/stun_txn.h stun/random.h \
 stun/stun_msg.h
