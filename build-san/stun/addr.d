build-san/stun/addr.o: stun/addr.c stun/addr.h
