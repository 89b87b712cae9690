#!/usr/bin/env python3
"""flood.py - a process that floods a room: flood.py PORT ROOM KIND RATE SECONDS [ID...]

KIND: hello (a new id for each), same (hellos of 700 ids again and again), pake1 (to the inboxes of ID...), bye (in their
names). Prints how many were sent. A process of its own, so that the one that measures is not held up.
"""

import random
import sys
import time

import mqtt
import peer

SLICE_S = 0.01
STOCK = 20000  # different messages; a new id is forgotten long before its turn comes again


def hellos(room, count):
    """Valid to the last bit: whoever floods knows the room's name."""
    somebody = peer.Peer(room)
    for _ in range(count):
        somebody.id = peer.base32(random.randbytes(10))
        somebody.nonce = random.randbytes(16)
        yield somebody.hello_topic, somebody.hello(True)


def knocks(room, count, victims):
    point = peer.b64(peer.random_point())
    for number, (_, hello) in enumerate(hellos(room, count)):
        somebody = peer.Peer(room)
        knock = dict(hello, type="pake1", y=point, commit=peer.b64(random.randbytes(32)))
        yield (somebody.inbox(victims[number % len(victims)]),
               somebody.veil.close({k: v for k, v in knock.items() if k != "veil"}, "chat", 8, True))


def byes(room, victims):
    somebody = peer.Peer(room)
    for victim in victims:
        somebody.id = victim
        yield somebody.hello_topic, somebody.bye()


def stock(kind, room, rate, seconds, victims):
    count = min(STOCK, int(rate * seconds) + 1)
    if kind == "pake1":
        return knocks(room, count, victims)
    return byes(room, victims) if kind == "bye" else hellos(room, 700 if kind == "same" else count)


def main():
    port, room, kind, rate, seconds, *victims = sys.argv[1:]
    rate, seconds = int(rate), float(seconds)
    packets = [mqtt.publish(topic, peer.dumps(message), 4)
               for topic, message in stock(kind, room, rate, seconds, victims)]
    client = mqtt.Client(int(port))
    print("ready", flush=True)
    sys.stdin.readline()
    begun, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        due = int(passed * rate)
        if due > sent:
            client.sock.sendall(b"".join(packets[n % len(packets)] for n in range(sent, due)))
            sent = due
        time.sleep(SLICE_S)
    print(sent, flush=True)
    client.close()


if __name__ == "__main__":
    main()
