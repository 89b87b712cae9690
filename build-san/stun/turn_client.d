build-san/stun/turn_client.o: stun/turn_client.c stun/turn_client.h \
 stun/packet.h stun/addr.h stun/random.h stun/turn_internal.h \
 stun/stun_msg.h stun/stun_txn.h
