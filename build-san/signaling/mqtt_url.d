build-san/signaling/mqtt_url.o: signaling/mqtt_url.c signaling/mqtt.h
