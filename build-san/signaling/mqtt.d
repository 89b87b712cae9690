build-san/signaling/mqtt.o: signaling/mqtt.c signaling/mqtt.h \
 signaling/message.h stun/nat_behavior.h stun/addr.h \
 signaling/mqtt_post.h
