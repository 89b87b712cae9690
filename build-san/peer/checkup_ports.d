build-san/peer/checkup_ports.o: peer/checkup_ports.c peer/checkup_state.h \
 peer/checkup.h stun/nat_behavior.h stun/addr.h peer/net.h peer/node.h \
 peer/conn.h peer/broker_path.h peer/bucket.h stun/packet.h peer/quic.h \
 stun/random.h peer/ice.h peer/candidate.h signaling/message.h \
 peer/path.h stun/addr.h peer/punch_plan.h stun/stun_msg.h peer/punch.h \
 peer/punch_budget.h stun/portmap.h stun/packet.h stun/random.h \
 signaling/rendezvous.h signaling/message.h signaling/pake.h peer/loop.h \
 signaling/mqtt.h stun/nat_survey.h stun/nat_behavior.h \
 stun/stun_client.h peer/resolve.h stun/stun_client.h peer/upnp.h
