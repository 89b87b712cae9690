build-san/peer/ice_probe.o: peer/ice_probe.c peer/ice_internal.h \
 peer/ice.h peer/candidate.h signaling/message.h stun/nat_behavior.h \
 stun/addr.h stun/packet.h peer/path.h stun/addr.h peer/punch_plan.h \
 stun/random.h stun/stun_msg.h stun/stun_txn.h stun/random.h \
 stun/stun_msg.h
