build-san/stun/nat_survey.o: stun/nat_survey.c stun/nat_survey.h \
 stun/nat_behavior.h stun/addr.h stun/packet.h stun/random.h \
 stun/stun_client.h stun/nat_ports.h stun/stun_msg.h stun/stun_txn.h
