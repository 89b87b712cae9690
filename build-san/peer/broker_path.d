build-san/peer/broker_path.o: peer/broker_path.c peer/broker_path.h \
 peer/bucket.h stun/packet.h stun/addr.h peer/quic.h stun/random.h
