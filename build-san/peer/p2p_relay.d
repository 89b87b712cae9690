build-san/peer/p2p_relay.o: peer/p2p_relay.c peer/p2p_internal.h \
 peer/loop.h stun/packet.h stun/addr.h signaling/mqtt.h peer/net.h \
 peer/node.h peer/conn.h peer/broker_path.h peer/bucket.h peer/quic.h \
 stun/random.h peer/ice.h peer/candidate.h signaling/message.h \
 stun/nat_behavior.h peer/path.h stun/addr.h peer/punch_plan.h \
 stun/stun_msg.h peer/punch.h peer/punch_budget.h stun/portmap.h \
 stun/packet.h stun/random.h signaling/rendezvous.h signaling/message.h \
 signaling/pake.h peer/net_stream.h peer/p2pconnect.h peer/resolve.h \
 peer/tls.h peer/turn_uri.h peer/upnp.h
