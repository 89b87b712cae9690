build-san/peer/quic_buffer.o: peer/quic_buffer.c peer/quic_buffer.h
