build-san/peer/resolve.o: peer/resolve.c peer/resolve.h stun/addr.h \
 peer/socket_address.h
