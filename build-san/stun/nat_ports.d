build-san/stun/nat_ports.o: stun/nat_ports.c stun/nat_ports.h \
 stun/nat_behavior.h stun/addr.h
