build-san/peer/turn_uri.o: peer/turn_uri.c peer/turn_uri.h peer/resolve.h \
 stun/addr.h
