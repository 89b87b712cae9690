"""trial.py - one run of one scenario, and what scenarios are made of.

A scenario is a function of one Trial. It returns an Outcome, or raises Unmet with what was not as it should be.
"""

import contextlib
import os
import random
import re
import select
import shutil
import threading
from dataclasses import dataclass, field

from machine import Machine
from peers import Peer, Unmet

ORDERS = ("left", "right")  # who starts first
FIRST_BYTE_SECONDS = 1.0  # promised from the second peer's start on
NO_PATH = "no path"
NO_PATH_EXIT = 5
NO_PATH_SECONDS = 25  # 10 s are promised once both candidate lists are complete


class Skip(Exception):
    """This machine cannot run the scenario; the text says why."""


@dataclass
class Outcome:
    kind: str | None = None  # of the path, or NO_PATH where none was expected and both said so
    seconds: float | None = None  # from the second peer's start to the first byte, at the later of the two
    exits: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    note: str = ""


@dataclass
class Scenario:
    name: str
    function: object
    orders: tuple = ("left",)
    runs: int | None = 1  # None: as many as the command line says
    patient: bool = False  # mostly waits: more of these may run side by side
    quick: bool = False  # part of `--quick`


class Trial:
    """One run of one scenario: its lab, its own random numbers, its logs; ends its peers and homes."""

    def __init__(self, lab, program, logs, seed_text, order="left", limit=FIRST_BYTE_SECONDS, quick=False):
        self.lab = lab
        self.program = os.path.abspath(program)
        self.logs = logs
        self.results = logs  # where pictures go
        self.rng = random.Random(seed_text)
        self.order = order
        self.limit = limit
        self.quick = quick
        self.room = f"lab-{self.rng.randrange(1 << 40):010x}"
        self.peers = []
        self.over = threading.Event()
        self.stack = contextlib.ExitStack()
        os.makedirs(logs, exist_ok=True)
        for name in os.listdir(logs):
            if name.startswith("state-"):  # what peers have learnt in a run before this one
                shutil.rmtree(os.path.join(logs, name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.close()
        self.stack.close()

    def home(self, kind, **options):
        home = self.lab.home(kind, rng=self.rng, **options)
        self.stack.callback(home.close)
        return home

    def add_bridge(self, machine, bridge, subnet, containers=1):
        """A bridge on the machine, and behind it containers that only the machine can reach."""
        machine.ip(
            f"link add {bridge} type bridge",
            f"addr add {subnet[1]}/{subnet.prefixlen} dev {bridge}",
            f"link set {bridge} up",
        )
        for number in range(containers):
            container = Machine(f"container on {bridge}")
            self.stack.callback(container.close)
            port = f"veth{self.lab.number()}"
            machine.ip(
                f"link add {port} type veth peer name eth0 netns {container.path}",
                f"link set {port} master {bridge} up",
            )
            container.ip(
                "link set eth0 up",
                f"addr add {subnet[number + 2]}/{subnet.prefixlen} dev eth0",
                f"route add default via {subnet[1]}",
            )

    def background(self, function, sock):
        """Calls function(sock) whenever something has arrived there, until the trial ends."""

        def serve():
            with sock:
                while not self.over.is_set():
                    if select.select([sock], [], [], 0.1)[0]:
                        function(sock)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.stack.callback(thread.join)
        self.stack.callback(self.over.set)

    def peer(self, machine, name, command, servers=None, room=None, ipv6=False, wait=30, paths="host,lan,direct",
             options=(), secrets=None):
        """Starts the program. `servers` is a Servers, a broker's address alone, or None for the lab's; `options` are
        more arguments, `secrets` more environment."""
        servers = servers or self.lab.servers
        if isinstance(servers, str):
            asked = ["--broker", servers, "--stun", self.lab.servers.stun]
        elif ipv6:
            asked = ["--broker", servers.broker6, "--stun", servers.stun6, "--stun", servers.second_stun6]
        else:
            asked = ["--broker", servers.broker, "--stun", servers.stun, "--stun", servers.second_stun]
        argv = [self.program, command, *asked, "--room", room or self.room, "--name", name, "--json"]
        argv += ["--paths", paths, "--wait", wait, *options]
        peer = Peer(machine, argv, self.logs, name, secrets)
        self.peers.append(peer)
        return peer


def meet(trial, left, right, kind, **options):
    """Two pipes on two machines, one after the other; each must receive the other's line over a path of this kind.
    `kind` None: no path exists, both must say so."""
    places = {"left": left, "right": right}
    first = trial.order
    second = "right" if first == "left" else "left"
    lines = {name: f"{name} {trial.rng.random()}\n".encode() for name in places}
    peers = {}
    for name in (first, second):
        peers[name] = trial.peer(places[name], name, "pipe", **options)
        peers[name].send(lines[name])
        peers[name].finish()
        if name == first:
            peers[name].expect_event("room", 5)
    if kind is None:
        return expect_refusal(peers)
    for name, other in ((first, second), (second, first)):
        peers[name].expect_output(lines[other], 15 + trial.limit)
    for peer in peers.values():
        peer.expect_exit(0, 10)
    return judge(trial, peers, second, kind)


def judge(trial, peers, second, kind):
    seconds = max(peer.first_byte for peer in peers.values()) - peers[second].started
    found = {name: peer.path() for name, peer in peers.items()}
    if set(found.values()) != {kind}:
        raise Unmet(f"the path is {found}, expected {kind}")
    if seconds > trial.limit:
        raise Unmet(f"the first byte came after {seconds:.2f} s, {trial.limit} s are promised")
    return Outcome(kind, seconds, [peer.process.poll() for peer in peers.values()])


def expect_refusal(peers):
    """Where no path exists both end with 5 and a sentence that blames the NATs, after one that they still try. Better than that is no failure."""
    exits = [peer.wait(NO_PATH_SECONDS) for peer in peers.values()]
    errors = [peer.error() for peer in peers.values()]
    if exits == [0, 0]:
        return Outcome(next(iter(peers.values())).path(), None, exits, errors, "connected, which nobody asked for")
    for peer in peers.values():
        peer.expect_exit(NO_PATH_EXIT, 0)
        if not re.search(r"NAT|firewall|UDP|public address", peer.error()):
            raise Unmet(f"{peer.name}: the sentence names no reason: {peer.error()!r}")
        notes = [event["message"] for event in peer.events if event["event"] == "note"]
        if sum("no path works yet" in note for note in notes) != 1:
            raise Unmet(f"{peer.name} does not say once that it still tries: {notes}")
    return Outcome(NO_PATH, None, exits, errors)
