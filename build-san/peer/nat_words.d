build-san/peer/nat_words.o: peer/nat_words.c peer/nat_words.h \
 stun/nat_behavior.h stun/addr.h
