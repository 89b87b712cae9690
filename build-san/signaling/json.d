build-san/signaling/json.o: signaling/json.c signaling/json.h
