"""scenes_hostile.py - garbage in the room and on the port while two real peers talk."""

import json
import random
import socket
import time

from harness import Publisher, check, free_port, need, rss_kb
from scene import scene

ID = "abcdefghijklmnop"


def garbage(topics, own_hello):
    """Fifty messages of every sort: (topic, data, retained)."""
    rng = random.Random(7)
    hello = json.loads(own_hello) if own_hello else {"v": 1, "type": "hello", "from": ID}
    texts = [b"", b"\x00", b"{", b"}", b"[]", b"null", b"true", b"1e999", b'"text"', b"not json at all", b"\xff\xfe\xfd",
             b'{"v":1}', b'{"v":1,"type":"hello"}', b'{"v":1,"type":"hello","from":42}',
             b'{"v":1,"type":"hello","from":"' + b"a" * 5000 + b'"}', b'{"v":2,"type":"hello","from":"abcdefghijklmnop"}',
             b'{"v":1,"v":1,"type":"hello","from":"abcdefghijklmnop"}', b'{"v":1,"type":"hello","from":"\xff\xff"}',
             b'{"v":1,"type":"hello","from":"abcdefghijklmnop"}x', b'{"v":"1","type":["hello"],"from":{}}',
             b'{"v":1,"type":"nonsense","from":"abcdefghijklmnop"}', b'{"v":1,"type":"hello","from":"a\\u0000bcdefghijklmno"}',
             b"[" * 4000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"A" * 8193, b"B" * (1 << 20), b"{" + b" " * 8000 + b"}"]
    for kind in ("pake1", "pake2", "pake3", "sealed", "bye", "hello"):
        texts.append(json.dumps({"v": 1, "type": kind, "from": ID}).encode())
        texts.append(json.dumps(dict(hello, type=kind, **{"from": ID})).encode())
    if own_hello:
        texts += [own_hello] * 3  # our own echo, from the broker's side
    while len(texts) < 42:
        texts.append(rng.randbytes(rng.randrange(1, 2000)))
    messages = [(topics[i % len(topics)], text, False) for i, text in enumerate(texts)]
    messages += [(topics[0], text, True) for text in texts[9:17]]  # retained
    return messages


@scene(seconds=4)
def garbage_in_the_room(world):
    """Fifty garbage messages of every sort leave the session of two peers, and their memory, as they were"""
    need("mosquitto_sub")
    broker = world.broker()
    spy = world.start(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "p2pconnect/1/+/hello"])
    time.sleep(0.3)
    anna, bert = world.pair(broker=broker.url, env={"P2PCONNECT_SECRET": "s"})
    hellos = [line for line in bytes(spy.out).splitlines() if line.startswith(b"{")]
    room = f"p2pconnect/1/{anna.expect_event('room')['topic']}"
    inboxes = [f"{room}/to/{program.expect_event('room')['id']}" for program in (anna, bert)]
    before = [rss_kb(program.pid) for program in (anna, bert)]
    publisher = Publisher(broker.port)
    messages = garbage([room + "/hello"] + inboxes, hellos[0] if hellos else None)
    check(len(messages) >= 50, f"only {len(messages)} messages")
    for _ in range(3):
        for topic, data, retain in messages:
            publisher.publish(topic, data, retain)
    publisher.close()
    time.sleep(0.5)
    anna.send("still here\n")
    bert.send("so am I\n")
    bert.expect_output("anna: still here\n")
    anna.expect_output("bert: so am I\n")
    for program in (anna, bert):
        check(not program.events("closed") and len(program.events("connected")) == 1, program.story())
    after = [rss_kb(program.pid) for program in (anna, bert)]
    check(max(a - b for a, b in zip(after, before)) < 6 << 10, f"memory grew from {before} to {after} KB")
    carl = world.run("chat", "--name", "carl", broker=broker.url, env={"P2PCONNECT_SECRET": "s"})
    anna.expect_event("connected", name="carl", timeout=20)
    carl.expect_event("connected", name="bert")


@scene(seconds=4)
def a_stale_session_replayed(world):
    """All messages of an old session, played again into the room, change nothing"""
    need("mosquitto_sub")
    broker = world.broker()
    spy = world.start(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "p2pconnect/#", "-F", "%t %p"])
    time.sleep(0.3)
    old = world.pair(broker=broker.url, names=("old anna", "old bert"))
    for program in old:
        program.close_input()
        program.expect_code(0)
    time.sleep(0.2)
    recorded = [line.split(b" ", 1) for line in bytes(spy.out).splitlines() if b" {" in line]
    check(len(recorded) >= 4, f"only {len(recorded)} messages were recorded")
    anna, bert = world.pair(broker=broker.url)
    publisher = Publisher(broker.port)
    inboxes = [p.expect_event("room")["id"] for p in (anna, bert)]
    for topic, data in recorded:
        targets = {topic.decode()} | {topic.decode().rsplit("/", 1)[0] + "/" + i for i in inboxes if b"/to/" in topic}
        for target in targets:
            publisher.publish(target, data)
    publisher.close()
    time.sleep(0.5)
    anna.send("still here\n")
    bert.expect_output("anna: still here\n")
    for program in (anna, bert):
        check(not program.events("closed") and len(program.events("connected")) == 1, program.story())


def datagrams(count):
    """Garbage of every shape: noise, things like STUN, like QUIC long and short headers, empty, huge."""
    rng = random.Random(11)
    shapes = [lambda: rng.randbytes(rng.randrange(0, 1400)),
              lambda: b"\x00\x01\x00\x00\x21\x12\xa4\x42" + rng.randbytes(12),
              lambda: b"\x00\x01\x00\x08\x21\x12\xa4\x42" + rng.randbytes(12) + b"\x00\x06\x00\x04ab:c",
              lambda: b"\x01\x01" + rng.randbytes(60),
              lambda: b"\xc0\x00\x00\x00\x01\x08" + rng.randbytes(1194),
              lambda: b"\x40" + rng.randbytes(40),
              lambda: b"",
              lambda: rng.randbytes(9000)]
    stock = [shape() for shape in shapes for _ in range(32)]
    for _ in range(count):
        yield rng.choice(stock)


@scene(seconds=8)
def garbage_on_the_port(world):
    """A hundred thousand garbage datagrams on the port leave the session, and its memory, as they were"""
    port = free_port(socket.SOCK_DGRAM)
    anna = world.run("chat", "--name", "anna", "--port", port)
    bert = world.run("chat", "--name", "bert")
    anna.expect_event("connected", name="bert")
    bert.expect_event("connected", name="anna")
    before = rss_kb(anna.pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))
        sender.settimeout(0)
        for number, datagram in enumerate(datagrams(100000)):
            try:
                sender.send(datagram)
            except OSError:
                pass
            if number % 10000 == 0:
                anna.send(f"number {number}\n")
        sender.setblocking(False)
        answered = 0
        try:
            while sender.recv(2048):
                answered += 1
        except OSError:
            pass
    bert.send("the end\n")
    anna.expect_output("bert: the end\n")
    bert.expect_output("anna: number 90000\n")
    check(not anna.events("closed") and not bert.events("closed"), anna.story() + bert.story())
    check(answered == 0, f"{answered} answers went to a stranger")
    grown = rss_kb(anna.pid) - before
    check(grown < 6 << 10, f"memory grew by {grown} KB")
