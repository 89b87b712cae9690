build-san/peer/node_relays.o: peer/node_relays.c peer/node_state.h \
 peer/node.h peer/conn.h peer/broker_path.h peer/bucket.h stun/packet.h \
 stun/addr.h peer/quic.h stun/random.h peer/ice.h peer/candidate.h \
 signaling/message.h stun/nat_behavior.h peer/path.h stun/addr.h \
 peer/punch_plan.h stun/stun_msg.h peer/punch.h peer/punch_budget.h \
 stun/portmap.h stun/packet.h stun/random.h signaling/rendezvous.h \
 signaling/message.h signaling/pake.h stun/nat_survey.h \
 stun/nat_behavior.h stun/stun_client.h peer/node_addresses.h \
 stun/stun_client.h peer/node_relays.h peer/punch_canary.h \
 stun/turn_client.h
