build-san/peer/quic_datagram.o: peer/quic_datagram.c peer/quic_datagram.h \
 peer/quic.h stun/packet.h stun/addr.h stun/random.h
