"""scenes_relay.py - packets by way of the broker: forged, repeated, by the thousand."""

import os
import threading
import time

import mqtt
import peer
from attack import scene, secret
from harness import check, rss_kb

STRANGER = "aaaabbbbccccdddd"
PACKETS = 3000
MEMORY_KB = 64 << 10


def join(world, broker, names, *options):
    programs = [world.run("chat", "--name", name, *options, broker=broker.url, env=secret()) for name in names]
    for program in programs:
        program.expect_event("connected")
    return programs


def talk(programs, words):
    for number, program in enumerate(programs):
        text = f"{words} {number}"
        program.send(f"{text}\n")
        for other in programs:
            if other is not program:
                other.expect_event("message", text=text)


class Listener:
    """Everything that is published under relay/ID of anybody."""

    def __init__(self, world, port):
        self.client = mqtt.Client(port, topics=[f"p2pconnect/1/{peer.room_topic(world.room)}/relay/+"])
        self.heard = []
        world.endings.append(self.client.close)

    def listen(self, seconds):
        self.heard += self.client.messages(seconds)
        return self.heard


@scene(seconds=8)
def forged_packets_change_nothing(world):
    """Relayed packets of strangers, forged, altered and repeated ones end no session and answer nobody; it goes on"""
    broker = world.broker()
    listener = Listener(world, broker.port)
    programs = join(world, broker, ("anna", "bert"), "--paths", "broker")
    talk(programs, "before")
    topic = f"p2pconnect/1/{peer.room_topic(world.room)}/relay/"
    ids = [program.expect_event("room")["id"] for program in programs]
    recorded = listener.listen(1)
    check(len(recorded) > 4, f"only {len(recorded)} packets went through the broker")
    speaker = mqtt.Client(broker.port)
    world.endings.append(speaker.close)
    for number in range(PACKETS):
        to, other = ids[number % 2], ids[1 - number % 2]
        payload = recorded[number % len(recorded)][1]
        sender = (STRANGER, other, to, "")[number % 4]
        body = (payload[16:], os.urandom(1200), payload[16:-1] + bytes([payload[-1] ^ 1]), b"")[number // 4 % 4]
        speaker.publish(topic + to, sender.encode() + body)
        if number % 100 == 0:
            time.sleep(0.02)
    talk(programs, "after")
    for program in programs:
        check(not program.events("closed") and program.process.poll() is None, program.story())
        check(len(program.events("connected")) == 1, program.story())
        check(rss_kb(program.pid) < MEMORY_KB, f"{rss_kb(program.pid)} kB of memory")
    answered = [where for where, _ in listener.listen(0.5) if where.endswith(STRANGER)]
    check(not answered, f"{len(answered)} packets went to a stranger")


@scene(seconds=8)
def a_flood_of_packets_keeps_nobody_out(world):
    """A flood under relay/ID stops neither the session nor a newcomer, and takes no memory"""
    broker = world.broker()
    programs = join(world, broker, ("anna", "bert"))
    ids = [program.expect_event("room")["id"] for program in programs]
    topic = f"p2pconnect/1/{peer.room_topic(world.room)}/relay/"
    over = threading.Event()

    def flood():
        speaker = mqtt.Client(broker.port)
        packet = os.urandom(1200)
        while not over.is_set():
            for number in range(50):
                speaker.publish(topic + ids[number % 2], ids[1 - number % 2].encode() + packet)
            time.sleep(0.01)
        speaker.close()

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    time.sleep(1)
    talk(programs, "in a flood")
    newcomer = world.run("chat", "--name", "cleo", broker=broker.url, env=secret())
    for program, name in ((newcomer, "anna"), (newcomer, "bert"), (programs[0], "cleo"), (programs[1], "cleo")):
        program.expect_event("connected", timeout=20, name=name)
    programs.append(newcomer)
    talk(programs, "all three")
    for program in programs:
        check(not program.events("closed") and rss_kb(program.pid) < MEMORY_KB, program.story())
    over.set()
    thread.join()
