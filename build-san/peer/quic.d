build-san/peer/quic.o: peer/quic.c peer/quic_state.h peer/quic.h \
 stun/packet.h stun/addr.h stun/random.h peer/quic_buffer.h \
 peer/quic_datagram.h peer/quic_ngtcp2.h peer/quic_tls.h
