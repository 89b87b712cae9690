build-san/peer/tls.o: peer/tls.c peer/tls.h
