build-san/peer/bucket.o: peer/bucket.c peer/bucket.h stun/packet.h \
 stun/addr.h
