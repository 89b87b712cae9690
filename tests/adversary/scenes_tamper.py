"""scenes_tamper.py - a broker that changes what is said: each alteration has a room and a pair of its own."""

import collections
import json
import random
import time

import attack
import peer
from attack import Listener, scene, secret, untrusted_broker
from harness import check

WAIT_S = 6  # how long the one who was there first waits; the other ends 3 s after the failure
AT_ONCE = 40  # pairs
FAILS, NOTHING = "fails", "as if it had been lost"

Alteration = collections.namedtuple("Alteration", "name kind change outcome")


# ---- what can be done to a field ----


def flipped(field, at):
    """One bit of a field of bytes; negative: from its end."""
    def change(message, _):
        data = bytearray(peer.unb64(message[field]))
        data[at // 8] ^= 1 << at % 8
        return dict(message, **{field: peer.b64(bytes(data))})
    return change


def put(**members):
    """Members with other values; a function makes one of the old value."""
    def change(message, _):
        return dict(message, **{k: v(message.get(k)) if callable(v) else v for k, v in members.items()})
    return change


def without(*fields):
    return lambda message, _: {k: v for k, v in message.items() if k not in fields}


def veiled_again(change):
    """The same, by somebody who knows the room's name and puts the veil on anew."""
    def whole(message, room):
        veil = peer.Veil(room)
        return veil.close(change(message, room), *veil.open(message))
    return whole


def veiled(purpose=None, slots=None, fresh=None):
    """Who knows the room's name can lift the veil, and put it back."""
    def change(message, room):
        veil = peer.Veil(room)
        old = veil.open(message)
        new = [o if n is None else n(o) for o, n in zip(old, (purpose, slots, fresh))]
        return veil.close(message, *new)
    return change


def box(change):
    return put(box=lambda old: peer.b64(change(peer.unb64(old))))


def injected(address):
    """Our addresses instead of the box, and beside it."""
    body = peer.description([("host", address), ("srflx", address)])
    return lambda message, _: dict(body, **message) | {"box": peer.b64(peer.dumps(body))}


# ---- the alterations ----


def alterations(rng, address):
    """Those that break the proof. `rng` says where, so that a seed repeats them."""
    bits = lambda size, count: rng.sample(range(size * 8), count)  # noqa: E731
    found = []
    for kind in ("pake1", "pake2"):
        found += [(kind, f"nonce bit {b}", flipped("nonce", b)) for b in bits(16, 3)]
        found += [(kind, f"nonce bit {b}, veiled again", veiled_again(flipped("nonce", b))) for b in bits(16, 3)]
        found += [(kind, f"veil bit {b}", flipped("veil", b)) for b in bits(26, 4)]
        found += [(kind, f"cap {c}", put(cap=c)) for c in (1, 2, 1 << 31)]
        found += [(kind, f"y bit {b}", flipped("y", b)) for b in bits(32, 24)]
        found += [(kind, "y neutral", put(y=peer.b64(bytes(32)))), (kind, "y not reduced", put(y=peer.b64(b"\xff" * 32)))]
        found += [(kind, "y another point", put(y=lambda _: peer.b64(peer.random_point())))] * 3
        found += [(kind, "slots", veiled(slots=lambda old: old + 1)), (kind, "fresh", veiled(fresh=lambda old: old ^ 1)),
                  (kind, "purpose", veiled(purpose=lambda _: "ping"))]
    found += [("pake1", f"commit bit {b}", flipped("commit", b)) for b in bits(32, 10)]
    found += [("pake2", f"reveal bit {b}", flipped("reveal", b)) for b in bits(16, 10)]
    for kind in ("pake2", "pake3"):
        found += [(kind, f"tag bit {b}", flipped("tag", b)) for b in bits(32, 20)]
        found += [(kind, "tag zeros", put(tag=peer.b64(bytes(32))))]
        found += [(kind, f"box bit {b}", flipped("box", b)) for b in bits(280, 20)]
        found += [(kind, "seq + 1", put(seq=lambda old: old + 1)), (kind, "seq 1", put(seq=1))]
        found += [(kind, "box cut", box(lambda old: old[:-1])), (kind, "box longer", box(lambda old: old + b"\0")),
                  (kind, "box of noise", box(lambda old: rng.randbytes(len(old)))), (kind, "addresses", injected(address))]
    found += [("pake3", "no box", without("seq", "box"))]
    return [Alteration(f"{kind}: {name}", kind, change, FAILS) for kind, name, change in found]


def harmless(address):
    """Those that make it no message at all, or one for nobody, and those of hints and of what a proof has covered: it is
    as if it had been lost, or had never been said."""
    found = []
    for kind in peer.TYPES[:5]:
        found += [(kind, "v 2", put(v=2)), (kind, "type", put(type="pake9")), (kind, "from", put(**{"from": "a" * 16}))]
    found += [(kind, "no veil", without("veil")) for kind in ("hello", "pake1", "pake2")]
    found += [("hello", "nonce", flipped("nonce", 5)), ("hello", "cap", put(cap=7)), ("hello", "veil", flipped("veil", 100)),
              ("hello", "purpose", veiled(purpose=lambda _: "pipe")), ("hello", "fresh", veiled(fresh=lambda old: old ^ 1)),
              ("sealed", "seq", put(seq=lambda old: old + 1)), ("sealed", "box", flipped("box", 300)),
              ("sealed", "addresses", injected(address)), ("pake2", "no seq", without("seq"))]
    return [Alteration(f"{kind}: {name}", kind, change, NOTHING) for kind, name, change in found]


# ---- what must become of it ----


class Trial:
    """Two chats in a room where the broker alters every message of one kind, whoever says it."""

    def __init__(self, world, between, alteration, number):
        self.alteration, self.altered = alteration, 0
        self.room = f"{world.room} {number}"
        between.rules[peer.room_topic(self.room)] = self.rule
        options = dict(broker=between.url, room=self.room, env=secret())
        self.programs = [world.run("chat", "--name", name, "--wait", str(WAIT_S), **options) for name in ("anna", "bert")]

    def rule(self, topic, payload):
        message = json.loads(payload)
        if message["type"] != self.alteration.kind:
            return [(0, topic, payload)]
        self.altered += 1
        return [(0, topic, peer.dumps(self.alteration.change(message, self.room)))]

    def complaint(self):
        """None, or what is wrong."""
        codes = [program.wait(WAIT_S + 15) for program in self.programs]
        told = self.alteration.name
        connected = [program.events("connected") for program in self.programs]
        if not self.altered and self.alteration.kind != "sealed":  # a fast session has nothing to seal
            return f"{told}: nothing was altered"
        if any(connected) and self.alteration.outcome == FAILS:
            return f"{told}: connected\n{self.programs[0].story()}\n{self.programs[1].story()}"
        if self.alteration.outcome == FAILS and codes != [6, 6]:
            return f"{told}: exit codes {codes}\n{self.programs[0].story()}\n{self.programs[1].story()}"
        if self.alteration.outcome == FAILS and not all("altered" in program.err for program in self.programs):
            return f"{told}: nobody is told that messages may have been altered"
        if self.alteration.outcome == NOTHING and not all(connected) and not set(codes) <= {4, 6}:
            return f"{told}: exit codes {codes}"
        return None

    def is_settled(self):
        """Both have ended, or are connected: then they are asked to end."""
        if all(program.events("connected") for program in self.programs):
            for program in self.programs:
                if program.process.poll() is None and not program.process.stdin.closed:
                    program.close_input()
        return all(program.process.poll() is not None for program in self.programs)

    def end(self):
        for program in self.programs:
            program.end()


def try_all(world, found):
    between = untrusted_broker(world)
    waiting, running, complaints = list(enumerate(found)), [], []
    deadline = time.monotonic() + 30 + len(found)
    while waiting or running:
        check(time.monotonic() < deadline, f"{len(running)} are still running")
        while waiting and len(running) < AT_ONCE:
            number, alteration = waiting.pop(0)
            running.append(Trial(world, between, alteration, number))
        for trial in [t for t in running if t.is_settled()]:
            running.remove(trial)
            complaints.append(trial.complaint())
            trial.end()
        time.sleep(0.02)
    return [complaint for complaint in complaints if complaint]


@scene(seconds=30)
def nothing_altered_is_accepted(world):
    """Two hundred alterations, one field of one kind of message each (in the quick form one in four): none is accepted, no
    packet goes to an injected address, and both ends say that messages may have been altered and end with 6"""
    trap = Listener(world, "127.0.0.66")
    found = alterations(random.Random(3), trap.address)
    check(len(found) >= 200, f"only {len(found)} alterations")
    if world.quick:
        found = found[::4]
    complaints = try_all(world, found)
    check(not complaints, f"{len(complaints)} of {len(found)}:\n" + "\n".join(complaints[:3]))
    packets = trap.count()
    check(packets == 0, f"{packets} packets to the injected address")


@scene(seconds=10)
def what_is_no_message_is_lost(world):
    """What the broker makes unreadable or sends elsewhere is as if it had been lost: a session without it, or none"""
    trap = Listener(world, "127.0.0.67")
    complaints = try_all(world, harmless(trap.address))
    check(not complaints, "\n".join(complaints[:5]))
    packets = trap.count()
    check(packets == 0, f"{packets} packets to the injected address")


def man_in_the_middle(between, room, address, asks):
    """A rule: neither hears the other, both hear us, who ask them or answer them, and offer our own address."""
    us, body = peer.Peer(room, b"not the secret"), peer.description([("host", address), ("srflx", address)])
    voice, counts = between.voice(), collections.Counter()

    def rule(_, payload):
        message = json.loads(payload)
        sender, kind = message["from"], message["type"]
        counts[kind] += 1
        if kind == "hello" and asks:
            run = us.runs.get(sender)  # the same again: the first may have come before its subscription
            voice.publish(us.inbox(sender), peer.dumps(run["pake1"] if run else us.pake1(message)))
        elif kind == "hello":
            voice.publish(us.hello_topic, peer.dumps(us.hello()))
        elif kind == "pake1":
            voice.publish(us.inbox(sender), peer.dumps(us.answer(message, body)))
        elif kind == "pake2":
            counts["guessed"] += us.accept(message) is not None
            voice.publish(us.inbox(sender), peer.dumps(us.pake3(sender, dict(body, type="answer"))))
        elif kind == "pake3":
            counts["guessed"] += us.proves(message)
        return []

    between.rules[peer.room_topic(room)] = rule
    return counts


@scene(seconds=8)
def nobody_in_the_middle(world):
    """Somebody in the middle who speaks the whole protocol with another secret, asking or answering, gets nowhere with
    either side: exit 6, and no packet to the address that was offered"""
    trap = Listener(world, "127.0.0.68")
    between = untrusted_broker(world)
    pairs = []
    for asks in (True, False):
        room = f"{world.room} {asks}"
        counts = man_in_the_middle(between, room, trap.address, asks)
        pairs.append((counts, [world.run("chat", "--name", name, "--wait", str(WAIT_S), broker=between.url, room=room,
                                         env=secret()) for name in ("anna", "bert")]))
    for counts, programs in pairs:
        for program in programs:
            program.expect_code(6, timeout=WAIT_S + 15)
            check(not program.events("connected") and not program.events("peer"), program.story())
        check(counts["pake2"] + counts["pake3"] >= 2 and not counts["guessed"], f"{counts}")
    check(trap.count() == 0, "packets went to the offered address")
