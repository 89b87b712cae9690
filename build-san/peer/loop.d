build-san/peer/loop.o: peer/loop.c peer/loop.h stun/packet.h stun/addr.h
