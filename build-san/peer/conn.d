build-san/peer/conn.o: peer/conn.c peer/conn.h peer/broker_path.h \
 peer/bucket.h stun/packet.h stun/addr.h peer/quic.h stun/random.h \
 peer/ice.h peer/candidate.h signaling/message.h stun/nat_behavior.h \
 peer/path.h stun/addr.h peer/punch_plan.h stun/stun_msg.h peer/punch.h \
 peer/punch_budget.h
