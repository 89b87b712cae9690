build-san/peer/socket_address.o: peer/socket_address.c \
 peer/socket_address.h stun/addr.h
