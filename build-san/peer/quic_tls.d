build-san/peer/quic_tls.o: peer/quic_tls.c peer/quic_tls.h \
 peer/quic_ngtcp2.h peer/quic.h stun/packet.h stun/addr.h stun/random.h
