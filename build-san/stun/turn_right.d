build-san/stun/turn_right.o: stun/turn_right.c stun/turn_internal.h \
 stun/stun_msg.h stun/addr.h stun/stun_txn.h stun/random.h \
 stun/turn_client.h stun/packet.h
