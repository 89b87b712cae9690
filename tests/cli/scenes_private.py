"""scenes_private.py - what --paths, --interface and --exclude keep to themselves, as seen on the wire."""

import ipaddress
import json
import os
import select
import socket
import struct
import sys
import threading
import time

from harness import Skip, check
from scene import scene

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

from namespace import LabError, Namespace  # noqa: E402

LAN, LAN6, PUBLIC = "10.9.0.2", "fd09::2", "198.51.100.2"
BROKER_PORT, STUN_PORT = 1899, 3499
ETH_ALL, PACKET_OUTGOING = 3, 4


def two_machines(world):
    """Two namespaces with a private and a public network between them: the first has broker and STUN server."""
    if os.geteuid() != 0:
        raise Skip("needs root, for networks of its own")
    try:
        there, here = Namespace("there"), Namespace("here")
        world.endings += [there.close, here.close]
        there.ip(f"link add lan0 type veth peer name lan0 netns {here.path}",
                 f"link add wan0 type veth peer name wan0 netns {here.path}",
                 "addr add 10.9.0.1/24 dev lan0", "addr add fd09::1/64 dev lan0 nodad", "addr add 198.51.100.1/24 dev wan0",
                 "link set lan0 up", "link set wan0 up")
        here.ip(f"addr add {LAN}/24 dev lan0", f"addr add {LAN6}/64 dev lan0 nodad", f"addr add {PUBLIC}/24 dev wan0",
                "link set lan0 up", "link set wan0 up", "route add default via 198.51.100.1",
                "route add default via 10.9.0.1 metric 200")
    except LabError as error:
        raise Skip(f"no networks of its own: {error}") from error
    return there, here


class Watch:
    """Every UDP packet that leaves a namespace, on all of its interfaces: {source port: {(source, destination, port, interface)}}."""

    def __init__(self, world, space):
        with space:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ALL))
        self.seen, self.ended = {}, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        world.endings.append(self.close)

    def run(self):
        while not self.ended.is_set():
            if not select.select([self.socket], [], [], 0.1)[0]:
                continue
            data, about = self.socket.recvfrom(1 << 16)
            if about[2] != PACKET_OUTGOING:
                continue
            if data[0] >> 4 == 4 and data[9] == socket.IPPROTO_UDP:
                at, ends = (data[0] & 15) * 4, (data[12:16], data[16:20])
            elif data[0] >> 4 == 6 and data[6] == socket.IPPROTO_UDP:
                at, ends = 40, (data[8:24], data[24:40])
            else:
                continue
            source, destination = (str(ipaddress.ip_address(end)) for end in ends)
            ports = struct.unpack(">HH", data[at:at + 4])
            self.seen.setdefault(ports[0], set()).add((source, destination, ports[1], about[0]))

    def close(self):
        self.ended.set()
        self.thread.join(5)
        self.socket.close()


def address_of(text):
    return text.rsplit(":", 1)[0].strip("[]").split("%")[0]


def offered(program):
    """The addresses of every candidate that -vv shows leaving."""
    found = set()
    for event in program.events("trace", direction="out"):
        try:
            message = json.loads(event["text"])
        except ValueError:
            continue
        found |= {address_of(candidate["address"]) for candidate in message.get("candidates", [])}
    return found


def told(program):
    return {address_of(event["address"]) for event in program.events("candidate")}


LOCAL = {"127.0.0.1", "::1"}
INSIDE = {LAN, LAN6, "fe80"}
ALL = LOCAL | INSIDE | {PUBLIC}
# arguments; what must be offered; what may be; from where it may send; to where, or on which interface, it must not;
# whether STUN is asked
MODES = [
    ((), {LAN, PUBLIC}, ALL, ALL, set(), True),
    (("--paths", "lan"), {LAN}, INSIDE, INSIDE, {"198.51.100.1"}, False),
    (("--paths", "direct"), {PUBLIC}, {PUBLIC}, {PUBLIC, LAN, LAN6}, {"10.9.0.1", "fd09::1"}, True),
    (("--paths", "host"), LOCAL, LOCAL, LOCAL, set(), False),
    (("--paths", "turn"), set(), set(), set(), set(), False),
    (("--interface", "lan0"), {LAN}, INSIDE, INSIDE, {"wan0", "lo"}, True),
    (("--interface", "wan0"), {PUBLIC}, {PUBLIC, "fe80"}, {PUBLIC, "fe80"}, {"lan0", "lo"}, True),
    (("--exclude", "lan0"), {PUBLIC}, LOCAL | {PUBLIC, "fe80"}, LOCAL | {PUBLIC, "fe80"}, {"lan0"}, True),
    (("--exclude", "wan0", "--exclude", "lo"), {LAN}, INSIDE, INSIDE, {"wan0", "lo"}, True),
]


def plain(addresses):
    return {"fe80" if address.startswith("fe80:") else address for address in addresses}


@scene(seconds=6, slow=True)
def what_is_not_allowed_is_neither_offered_nor_sent_from(world):
    """With --paths, --interface and --exclude no other address is told, offered, sent from, or asked about at a STUN server"""
    there, here = two_machines(world)
    watch = Watch(world, here)
    with there:
        broker = world.broker(extra=f"allow_anonymous true\nlistener {BROKER_PORT} 0.0.0.0\nallow_anonymous true\n")
        world.plain("stun-server", "--address", "198.51.100.1", "--port", STUN_PORT, "--json").expect_event("listening")
    shared = dict(broker=f"198.51.100.1:{BROKER_PORT}", stun=f"198.51.100.1:{STUN_PORT}")
    pairs = []
    for number, (args, *_) in enumerate(MODES):
        room, port = f"{world.room} {number}", 40001 + number
        with there:
            other = world.run("chat", "--name", "other", room=room, **shared)
        with here:
            pairs.append((world.run("chat", "-vv", "--name", "self", "--port", port, *args, room=room, **shared), other, port))
    for program, other, _ in pairs:
        program.expect_event("room")
        other.expect_event("room")
    time.sleep(3)  # in which nothing may leave that must not
    check(broker.process.poll() is None, "the broker is gone")
    for (program, _, port), (args, must, may, sources, not_to, stun) in zip(pairs, MODES):
        packets = watch.seen.get(port, set())
        label = f"{' '.join(args) or 'without restriction'}: "
        check(must <= plain(offered(program)) <= may, f"{label}offered {offered(program)}\n{program.story()}")
        check(plain(told(program)) <= may, f"{label}told {told(program)}")
        left = plain(source for source, *_ in packets)
        check(left <= sources, f"{label}sent from {left - sources}")
        check(not {end for packet in packets for end in packet} & not_to, f"{label}sent where it must not: {packets}")
        check(stun == any(packet[2] == STUN_PORT for packet in packets), f"{label}STUN asked: {not stun}")
        if must & {LAN, PUBLIC}:
            program.expect_event("connected", name="other")
            check(left, f"{label}the watch saw nothing")
