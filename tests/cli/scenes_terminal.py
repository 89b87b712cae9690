"""scenes_terminal.py - nothing that a peer says, names itself or gives as a reason steers a terminal."""

import json
import os
import pty
import random
import re
import sys
import termios
import threading
import time

from harness import SIGINT, check, until
from scene import scene

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "adversary"))

import mqtt  # noqa: E402
import peer  # noqa: E402

# Controls of C0 and C1, ends of lines, directions, a mark without width: what a terminal or its font might obey.
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
PIECES = [b"\x1b[2J", b"\x1b]0;title\x07", b"\x1b[31m", b"\x9b1;1H", b"\xc2\x9b31m", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\r",
          b"\x08", b"\t", b"\x00", b"\x7f", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc3\xa4", b"\xe2\x80\xa8",
          b"\xef\xbb\xbf", b"\xd8\x9c", b"plain ", b"\\x1b", b"\x1bP", b"\x0e"]


class Terminal:
    """A terminal of 8 bits that changes nothing; what is written to it is collected."""

    def __init__(self, world):
        self.master, self.slave = pty.openpty()
        attributes = termios.tcgetattr(self.slave)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(self.slave, termios.TCSANOW, attributes)
        self.seen = bytearray()
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()
        world.endings.append(self.close)

    def read(self):
        try:
            while self.goes_on.wait() and (data := os.read(self.master, 65536)):
                self.seen += data
        except OSError:
            return  # the last program on it has ended

    def close(self):
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1
        self.thread.join(5)

    def check(self):
        text = bytes(self.seen).decode()  # so it is UTF-8 as well
        found = STEERS.search(text)
        check(not found, f"a control character on the terminal: {found and text[max(found.start() - 80, 0):found.end() + 20]!r}")
        return text


def hostile(rng):
    """Bytes of every sort, mostly of the sort that steers; one line."""
    return b"".join(rng.choice(PIECES) if rng.random() < 0.7 else rng.randbytes(3) for _ in range(rng.randrange(1, 12))).replace(
        b"\n", b"")


def watched(world, *args, **options):
    terminal = Terminal(world)
    anna = world.run("chat", "--name", "anna", *args, json_lines=False, stdout=terminal.slave, stderr=terminal.slave,
                     env={"NO_COLOR": "1", "TERM": "xterm"}, **options)
    return anna, terminal


@scene(seconds=4)
def ten_thousand_hostile_lines(world):
    """Of ten thousand random messages no control character reaches a terminal, and each is one line on it"""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    anna, terminal = watched(world)
    text = b"".join(hostile(rng) + b"\n" for _ in range(10000)) + b"the end\n"
    with open(world.file("lines", text), "rb") as lines:
        world.run("chat", "--name", "bert", stdin=lines).expect_code(0, 30)
    until(lambda: b"bert: the end\n" in terminal.seen, 30, lambda: f"seed {seed}: the end is missing\n{terminal.seen[-300:]!r}")
    anna.end()
    try:
        shown = terminal.check()
    except Exception as failure:
        raise type(failure)(f"seed {seed}: {failure}") from failure
    count = len(re.findall("^bert: ", shown, re.M))
    check(count == 10001, f"seed {seed}: {count} lines for 10001 messages")
    check("\\x1b[2J" in shown and "\\xe2\\x80\\xae" in shown, f"seed {seed}: nothing hostile was shown")


@scene(seconds=2)
def sentence_after_line(world):
    """A sentence waits for the end of a line that a terminal, which stood still, has taken in part"""
    anna, terminal = watched(world)
    bert = world.run("chat", "--name", "bert")
    bert.expect_event("connected")
    bert.send("the first\n")
    until(lambda: b"bert: the first\n" in terminal.seen, 10, lambda: bytes(terminal.seen))
    terminal.goes_on.clear()
    bert.send("".join(f"line {i} {'x' * 777}\n" for i in range(1000)))
    time.sleep(0.5)  # for the terminal to be full
    bert.signal(SIGINT)
    bert.expect_code(128 + SIGINT)
    time.sleep(0.5)  # for the sentence
    terminal.goes_on.set()
    until(lambda: b"bert has left\n" in terminal.seen, 10, lambda: bytes(terminal.seen[-2000:]))
    anna.end()
    lines = terminal.check().splitlines()
    check("bert has left" in lines, "the sentence has no line of its own")
    cut = [line for line in lines if "xx" in line and not re.fullmatch("bert: line [0-9]+ x{777}", line)]
    check(not cut and any("xx" in line for line in lines), cut[:2])


def utf8(rng):
    """A JSON string can hold text only; what the reader of messages refuses by itself is left out of half of them."""
    text = hostile(rng).decode("utf-8", "ignore")
    return re.sub("[\x00-\x1f\x7f-\x9f]", "", text) if rng.random() < 0.7 else text


def play(client, room, rng, guests, seconds):
    """Each guest proves itself with a hostile name, or turns away or leaves with a hostile reason."""
    inboxes = {guest.inbox(guest.id): guest for guest in guests}
    for guest in guests:
        client.publish(guest.hello_topic, peer.dumps(guest.hello()))
    said, until_when = 0, time.monotonic() + seconds
    for topic, payload in client.messages(2):
        message = json.loads(payload)
        guest = inboxes.get(topic.decode() if isinstance(topic, bytes) else topic)
        if time.monotonic() > until_when:
            break
        if not guest or "from" not in message:
            continue
        them = guest.inbox(message["from"])
        name, reason = "\u202ename " + utf8(rng), "\u202ereason " + utf8(rng)
        if message["type"] == "pake1":
            body = rng.choice([{"type": "busy", "reason": reason[:60]}, {"type": "bye", "reason": reason[:60]},
                               peer.description([("host", "127.0.0.1:9")], name=name[:16])])
            client.publish(them, peer.dumps(guest.answer(message, body)))
            said += 1
        elif message["type"] == "pake3" and "box" in message:
            body = {"type": "bye", "reason": reason[:60]}
            client.publish(them, peer.dumps(guest.seal(message["from"], body)))
    return said


@scene(seconds=8)
def hostile_names_and_reasons(world):
    """Neither names of peers nor the reasons they give bring a control character to a terminal, not even with -vv"""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    guests = [peer.Peer(world.room) for _ in range(60)]
    anna, terminal = watched(world, "-vv", "--max-peers", "64")
    until(lambda: b"in room" in terminal.seen, 15, "no room")
    client = mqtt.Client(world.shared_broker.port, topics=[guest.inbox(guest.id) for guest in guests])
    said = play(client, world.room, rng, guests, 8)
    client.close()
    check(anna.process.poll() is None, f"seed {seed}: {bytes(terminal.seen[-500:])!r}")
    anna.end()
    try:
        shown = terminal.check()
    except Exception as failure:
        raise type(failure)(f"seed {seed}: {failure}") from failure
    check(said >= 30, f"seed {seed}: only {said} guests were heard")
    for what in ("\\xe2\\x80\\xaename", "\\xe2\\x80\\xaereason"):
        check(what in re.sub("^(<-|->).*$", "", shown, flags=re.M), f"seed {seed}: no {what} was shown\n{shown[-3000:]}")
