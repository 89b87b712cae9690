build-san/peer/net_gateway.o: peer/net_gateway.c peer/net_gateway.h \
 stun/addr.h
