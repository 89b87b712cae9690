build-san/stun/stun_txn.o: stun/stun_txn.c stun/stun_txn.h stun/random.h \
 stun/stun_msg.h stun/addr.h stun/packet.h
