build-san/peer/ice.o: peer/ice.c peer/ice.h peer/candidate.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h stun/packet.h \
 peer/path.h stun/addr.h peer/punch_plan.h stun/random.h stun/stun_msg.h \
 peer/ice_internal.h stun/stun_txn.h stun/random.h stun/stun_msg.h
