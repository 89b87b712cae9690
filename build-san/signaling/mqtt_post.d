build-san/signaling/mqtt_post.o: signaling/mqtt_post.c \
 signaling/mqtt_post.h signaling/mqtt.h
