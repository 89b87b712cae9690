"""scenes_flood.py - a room full of messages that mean nothing: recorded, forged, or made up by the thousand."""

import json
import os
import random
import subprocess
import sys
import threading
import time

import attack
import mqtt
import peer
from attack import scene, secret, untrusted_broker
from harness import check, rss_kb, until, with_parent

HERE = os.path.dirname(os.path.abspath(__file__))
RATE = 10000  # hellos a second
PACE = 25000000  # bytes a second: 200 Mbit/s
MEMORY_KB = 64 << 10


class Flood:
    """A flood in a process of its own; `start` when all is ready."""

    def __init__(self, world, port, kind, rate, seconds, *victims):
        argv = [sys.executable, os.path.join(HERE, "flood.py"), port, world.room, kind, rate, seconds, *victims]
        self.rate, self.seconds = rate, seconds
        self.process = subprocess.Popen(with_parent(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        world.endings.append(self.process.kill)
        check(self.process.stdout.readline() == b"ready\n", "the flood does not begin")

    def start(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def finish(self):
        sent = int(self.process.stdout.readline())
        self.process.wait()
        check(sent > 0.8 * self.rate * self.seconds, f"only {sent} messages were sent")
        return sent


class Transfer:
    """From one pipe's standard input to the other's standard output, PACE bytes a second."""

    def __init__(self, world, broker):
        reading, writing = os.pipe()
        self.source = world.run("pipe", "--name", "source", broker=broker, env=secret())
        self.sink = world.run("pipe", "--name", "sink", broker=broker, env=secret(), stdout=writing, stdin=subprocess.DEVNULL)
        os.close(writing)
        self.received, self.ended = 0, False
        self.source.expect_event("connected")
        self.jobs = [threading.Thread(target=job, args=args, daemon=True)
                     for job, args in ((self._write, ()), (self._read, (reading,)))]
        for job in self.jobs:
            job.start()

    def _write(self):
        block = random.Random(5).randbytes(1 << 16)
        begun, sent = time.monotonic(), 0
        try:
            while not self.ended:
                if sent < (time.monotonic() - begun) * PACE:
                    self.source.process.stdin.write(block)
                    sent += len(block)
                else:
                    time.sleep(0.002)
        except OSError:
            pass

    def _read(self, reading):
        while data := os.read(reading, 1 << 18):
            self.received += len(data)
        os.close(reading)

    def rate(self, seconds):
        """Bytes a second over this time."""
        before, begun = self.received, time.monotonic()
        time.sleep(seconds)
        return (self.received - before) / (time.monotonic() - begun)

    def stop(self):
        self.ended = True
        self.jobs[0].join(5)


def must_be_untouched(programs):
    for program in programs:
        check(program.process.poll() is None and not program.events("closed"), program.story())


def talk(one, other, words):
    one.send(words + "\n")
    other.expect_output(words)


@scene(seconds=12, alone=True)
def a_transfer_keeps_its_rate_in_a_flood(world):
    """While 10,000 hellos a second come in (for a minute; 5 s in the quick form), a transfer paced at 200 Mbit/s keeps its
    rate within 10 %, sessions are untouched, and memory stays flat and under 64 MB"""
    broker, seconds = world.broker(), 5 if world.quick else 60
    chats = world.pair(broker=broker.url, env=secret())
    transfer = Transfer(world, broker.url)
    watched = chats + [transfer.source, transfer.sink]
    flood = Flood(world, broker.port, "hello", RATE, seconds)
    time.sleep(1)
    before = transfer.rate(2)
    flood.start()
    time.sleep(0.5)
    early = [rss_kb(p.pid) for p in watched]
    during = transfer.rate(seconds - 1.5)
    late = [rss_kb(p.pid) for p in watched]
    flood.finish()
    talk(*chats, "still here")
    must_be_untouched(watched)
    transfer.stop()
    print(f"    {before * 8e-6:.0f} Mbit/s before, {during * 8e-6:.0f} in the flood; memory {early} KB, then {late}",
          flush=True)
    check(before > 0.9 * PACE, f"this machine does not reach the pace without a flood: {before * 8e-6:.0f} Mbit/s")
    check(during > 0.9 * before, f"{before * 8e-6:.0f} Mbit/s before, {during * 8e-6:.0f} in the flood")
    check(max(late) < MEMORY_KB, f"memory {late} KB")
    check(max(b - a for a, b in zip(early, late)) < 4 << 10, f"memory grew from {early} to {late} KB")


def join_in_flood(world, kind, rate, seconds):
    broker = world.broker()
    anna, bert = world.pair(broker=broker.url, env=secret())
    victims = [p.expect_event("room")["id"] for p in (anna, bert)] if kind == "pake1" else []
    flood = Flood(world, broker.port, kind, rate, seconds, *victims)
    flood.start()
    time.sleep(0.5)
    begun = time.monotonic()
    carl = world.run("chat", "--name", "carl", broker=broker.url, env=secret())
    anna.expect_event("connected", name="carl", timeout=60)
    took = time.monotonic() - begun
    check(flood.process.poll() is None, "the flood was over by then")
    talk(anna, bert, "still here")
    must_be_untouched([anna, bert])
    print(f"    {kind}: joined after {took:.1f} s", flush=True)
    flood.process.kill()


@scene(seconds=8, alone=True)
def an_honest_peer_joins_in_a_flood_of_hellos(world):
    """While 10,000 hellos of new ids a second come in, an honest peer joins within 60 s"""
    join_in_flood(world, "hello", RATE, 61)


@scene(seconds=30, slow=True, alone=True)
def an_honest_peer_joins_in_a_flood_of_known_ids(world):
    """While 700 ids say 10,000 hellos a second, each again and again, an honest peer joins within 60 s"""
    join_in_flood(world, "same", RATE, 61)


@scene(seconds=20, alone=True)
def an_honest_peer_joins_in_a_flood_of_knocks(world):
    """While 2,000 strangers a second knock at two peers, an honest one joins within 60 s"""
    join_in_flood(world, "pake1", 2000, 61)


@scene(seconds=5)
def goodbyes_and_wills_are_hints(world):
    """A thousand forged goodbyes and fifty forged wills in their names leave two peers together"""
    broker = world.broker()
    programs = world.pair(broker=broker.url, env=secret())
    ids = [program.expect_event("room")["id"] for program in programs]
    topic = f"p2pconnect/1/{peer.room_topic(world.room)}/hello"
    voice = mqtt.Client(broker.port)
    for number in range(1000):
        voice.publish(topic, peer.dumps({"v": 1, "type": "bye", "from": ids[number % 2]}))
    for number in range(50):
        will = peer.dumps({"v": 1, "type": "bye", "from": ids[number % 2]})
        mqtt.Client(broker.port, b"will %d" % number, will=(topic, will)).vanish()
    for number in range(20):
        talk(*programs, f"still here {number}")
        time.sleep(0.1)
    must_be_untouched(programs)
    check(all(len(p.events("connected")) == 1 for p in programs), "connected again")


@scene(seconds=6)
def a_recorded_session_played_again(world):
    """All messages of a session in the same room, played again twenty times in every order and to every inbox, change
    nothing in the next one, and nothing in their own"""
    between = untrusted_broker(world)
    old = world.pair(broker=between.url, names=("old anna", "old bert"), env=secret())
    own = list(between.seen)
    voice, rng = between.voice(), random.Random(7)

    def play(messages, programs):
        inboxes = [f"p2pconnect/1/{peer.room_topic(world.room)}/to/" + p.expect_event("room")["id"] for p in programs]
        for _ in range(20):
            for topic, data in rng.sample(messages, len(messages)):
                for target in [topic] + (inboxes if "/to/" in topic else []):
                    voice.publish(target, data)

    play(own, old)
    time.sleep(0.5)
    talk(*old, "still ours")
    must_be_untouched(old)
    for program in old:
        program.close_input()
        program.expect_code(0)
    recorded = list(between.seen)
    check(len(recorded) >= 5, f"only {len(recorded)} messages")  # a hello, three of the proof, a bye
    new = world.pair(broker=between.url, env=secret())
    play(recorded, new)
    time.sleep(0.5)
    talk(*new, "still here")
    must_be_untouched(new)
    check(all(len(p.events("connected")) == 1 for p in old + new), "connected again")


@scene(seconds=12)
def messages_in_any_order_still_meet(world):
    """Two peers meet while the broker drops a fifth of their messages, says a fifth twice and delays each by up to half a
    second, in any order (ten seeds; three in the quick form)"""
    between = untrusted_broker(world)
    pairs = []
    for seed in range(3 if world.quick else 10):
        rng, room = random.Random(seed), f"{world.room} {seed}"

        def rule(topic, payload, rng=rng):
            copies = 0 if rng.random() < 0.2 else 2 if rng.random() < 0.2 else 1
            return [(rng.random() / 2, topic, payload) for _ in range(copies)]

        between.rules[peer.room_topic(room)] = rule
        pairs.append([world.run("chat", "--name", n, broker=between.url, room=room, env=secret()) for n in ("anna", "bert")])
    for pair in pairs:
        for program in pair:
            program.expect_event("connected", timeout=30)
        talk(*pair, "we met")
        check(all(len(p.events("connected")) == 1 and not p.events("secret") for p in pair), pair[0].story() + pair[1].story())
    check(all(json.loads(payload)["v"] == 1 for _, payload in between.seen), "not JSON")
