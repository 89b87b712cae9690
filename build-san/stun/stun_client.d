build-san/stun/stun_client.o: stun/stun_client.c stun/stun_client.h \
 stun/packet.h stun/addr.h stun/random.h stun/stun_msg.h stun/stun_txn.h
