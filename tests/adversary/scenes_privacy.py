"""scenes_privacy.py - what somebody learns who records all that a session says, at the broker and on the wire."""

import base64
import ipaddress
import json
import re

import attack
from attack import SECRET, Capture, scene, secret, untrusted_broker
from harness import check

NAMES = ("Annas Dachboden", "Berts Keller")
WORDS = "the key is under the third flowerpot"


def decoded(data):
    """What base64 and base64url in it mean, at any alignment."""
    for run in re.findall(rb"[A-Za-z0-9+/_-]{6,}", data):
        run = run.translate(bytes.maketrans(b"-_", b"+/"))
        for skip in range(4):
            part = run[skip:]
            yield base64.b64decode(part[:len(part) // 4 * 4])
            yield base64.b64decode((part + b"AAA")[:(len(part) + 3) // 4 * 4])  # with its last bits


def encoded(needle):
    """Its base64 at each alignment, without the characters that its neighbours change."""
    for skip in range(3):
        text = base64.b64encode(bytes(skip) + needle)
        yield text[(skip * 8 + 5) // 6:(skip + len(needle)) * 8 // 6]


def occurrences(data, needles):
    """Which of the needles (name: bytes) it has, plain or base64, and where they were found."""
    found = []
    layers = [("plain", data), ("base64", b"\xff".join(decoded(data)))]
    for what, needle in needles.items():
        found += [f"{what} {how}" for how, layer in layers if needle in layer]
        if len(needle) > 6:
            found += [f"{what} as base64 text" for text in encoded(needle) if text in data]
    return found


def needles_of(addresses):
    needles = {f"name {name}": name.encode() for name in NAMES}
    needles.update({"secret": SECRET.encode(), "words": WORDS.encode(), "file name": b"kettles.txt"})
    for address in addresses:
        needles[f"address {address}"] = address.encode()
        needles[f"address {address} in binary"] = ipaddress.ip_address(address).packed
    return needles


def chat_through(world, between, room, names=NAMES):
    """Two meet, talk and leave; returns them."""
    path = world.file("kettles.txt", SECRET + "\n")
    programs = [world.run("chat", "--name", name, "--secret-file", path, broker=between.url, room=room) for name in names]
    for program, other in zip(programs, reversed(names)):
        program.expect_event("connected", name=other)
    programs[0].send(WORDS + "\n")
    programs[1].expect_output(WORDS)
    for program in programs:
        program.close_input()
        program.expect_code(0)
    return programs


@scene(seconds=3)
def a_recorded_session_tells_nothing(world):
    """A whole session in a room with a secret shows the broker, and whoever captures its packets, no local address in text
    or binary, no name, no file name, no secret and nothing that was said, plain or as base64 at any alignment"""
    between = untrusted_broker(world)
    capture = Capture(world)
    programs = chat_through(world, between, world.room)
    ports = {between.port}.union(*(attack.ports_of(program) for program in programs))
    addresses = attack.own_addresses() | {e["address"].rsplit(":", 1)[0].strip("[]").split("%")[0]
                                          for p in programs for e in p.events("candidate")}
    check(len(addresses) >= 2, f"only {addresses}")
    packets = [p for p in capture.packets if p[1][1] in ports or p[2][1] in ports]
    wire = b"".join(payload for *_, payload in packets)
    check(len(between.raw) > 2000 and len(wire) > 4000, f"only {len(between.raw)} and {len(wire)} bytes were recorded")
    needles = needles_of(addresses)
    for where, data in (("the broker", bytes(between.raw)), ("the wire", wire)):
        found = occurrences(data, needles)
        check(not found, f"{where} shows: {', '.join(found)}")
    # The search itself must be able to find something.
    for what, needle in needles.items():
        for hidden in (needle, base64.b64encode(b"x" + needle), base64.urlsafe_b64encode(b"xy" + needle)):
            check(occurrences(b'{"box":"' + hidden + b'"}', {what: needle}), f"{what} would not be found")


def fields_of(messages):
    """Every member of every message and the topics' parts, as (name, value)."""
    seen = set()
    for topic, payload in messages:
        seen |= {("topic", part) for part in topic.split("/")[3:]} if "/to/" in topic else set()
        for name, value in json.loads(payload).items():
            seen.add((name, json.dumps(value)))
    return seen - {("topic", "to")}


@scene(seconds=5)
def two_runs_have_nothing_in_common(world):
    """Two sessions of the same two people in the same room share no field beyond topic, version, type and capabilities"""
    runs = []
    for _ in range(2):
        between = untrusted_broker(world)
        chat_through(world, between, world.room)
        check(len(between.seen) >= 6, f"only {len(between.seen)} messages")
        check(len({topic.split("/")[2] for topic, _ in between.seen}) == 1, "more than one room")
        runs.append(fields_of(between.seen))
    kinds = {name for name, _ in runs[0]}
    check({"from", "nonce", "y", "box", "seq", "veil", "tag"} <= kinds, f"only {kinds}")
    shared = {field for field in runs[0] & runs[1] if field[0] not in ("v", "type", "cap")}
    check(not shared, f"both have {sorted(shared)}")


@scene(seconds=3)
def a_will_says_nothing_either(world):
    """What the broker is told to say for a peer that vanishes names nobody but the run's own id"""
    between = untrusted_broker(world)
    anna = world.run("chat", "--name", NAMES[0], broker=between.url, env=secret())
    own = anna.expect_event("room")["id"]
    anna.signal(9)
    anna.wait()
    raw = bytes(between.raw)
    wills = re.findall(rb'\{"v":1,"type":"bye"[^}]*\}', raw)
    check(wills and all(json.loads(will) == {"v": 1, "type": "bye", "from": own} for will in wills), f"{wills}")
