"""topology.py - a small internet on one machine: a router, servers, and homes behind NATs.

    with Lab(seed=7, build="build", delay=(40, 30)) as lab:
        left, right = lab.home("port"), lab.home("symr")
        print(lab.servers.broker, lab.servers.stun, left.machine.address)
        left.machine.run(["turnutils_stunclient", lab.servers.address])
        child = right.machine.start(["build/p2pconnect", "chat", ...], stdin=subprocess.PIPE)

Public addresses are 203.0.113.0/24 (gateways and servers) and 198.51.100.0/24 (homes without NAT), IPv6 ones
2001:db8::/32. Every public packet crosses the router, which swallows what it does not know: on the internet nobody
answers "network unreachable" to a packet for 192.168.1.10.
"""

import ipaddress
import os
import random
import subprocess
import tempfile
import threading
from dataclasses import dataclass, replace

from home import Home
from machine import ROUTER, ROUTER6, ROUTER_MAC, Node
from namespace import LabError
from servers import Servers


# What no list of reserved prefixes has: miniupnpd maps no port behind one that some list has. It stays in the lab.
ROUTABLE = "25.25.25"
MEMORY = "/dev/shm"  # a folder in memory, where there is one


@dataclass(frozen=True)
class Wire:
    """A cable to the internet: ms one way, up to so many ms more for each frame, which also reorders, and how many of
    100 frames it loses, each way. A home's is drawn from the same seed as its ports."""

    delay_ms: float = 0
    jitter_ms: float = 0
    loss_percent: float = 0
    seed: int = 1


class Lab:
    """The internet. `delay` is None or (ms there and back between two homes, the same between a home and the servers).

    Made by one thread; homes may then be made, used and closed by several, each home by one. What a thread has
    started dies with it.
    """

    def __init__(self, seed=None, build="build", delay=None):
        self.seed = random.randrange(1 << 32) if seed is None else seed
        self.rng = random.Random(self.seed)
        self.build = build
        self.lock = threading.Lock()
        self.count = 0
        self.homes = []
        self.servers = None
        self.home_ms, self.server_ms = link_delays(delay)
        # in memory: coturn asks its users' database before it gives an allocation, and other scenarios fill the disk
        self.scratch = tempfile.TemporaryDirectory(prefix="p2pconnect-lab-", dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.addresses = [f"203.0.113.{n}" for n in range(10, 250)]
        self.routable = [f"{ROUTABLE}.{n}" for n in range(10, 250)]
        self.prefixes = [str(net) for net in ipaddress.ip_network("198.51.100.0/24").subnets(new_prefix=29)]
        self.router = self._make_router()

    def __enter__(self):
        try:
            self.servers = Servers(self)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for home in list(self.homes):
            home.close()
        if self.servers:
            self.servers.close()
        self.router.close()
        self.scratch.cleanup()

    def home(self, kind, **options):
        """A home behind a gateway of this kind (nat.KINDS, or None for no IPv4), with one machine. See Home."""
        home = Home(self, kind, **options)
        try:
            home.add_machine()
        except BaseException:
            home.close()
            raise
        return home

    def number(self):
        with self.lock:
            self.count += 1
            return self.count

    def take(self, pool):
        """The address unused for longest, so that nobody remembers who had it."""
        with self.lock:
            if not pool:
                raise LabError("too many homes at once: no public address left")
            return pool.pop(0)

    def give(self, pool, value):
        with self.lock:
            pool.append(value)

    def plug(self, node, device, mac, delay_ms=0, wire=None):
        """Connects a new device of the node to the internet; answers the name of the router's end. Over `wire`, where
        one is given, which is as long as it says on top of `delay_ms`."""
        port = f"port{self.number()}"
        if delay_ms or wire:
            wire = wire or Wire()
            self._plug_slow(node, device, port, replace(wire, delay_ms=wire.delay_ms + delay_ms))
        else:
            self.router.ip(f"link add {port} type veth peer name {device} netns {node.path}")
        self.router.ip(f"link set {port} master internet up")
        node.ip(f"link set {device} address {mac}", f"link set {device} up")
        self.router.await_port(port)
        return port

    def _plug_slow(self, node, device, port, wire):
        program = os.path.join(self.build, "lab", "delay")
        ends = [self.router.path, port, node.path, device]
        shape = [wire.delay_ms, wire.jitter_ms, wire.loss_percent, wire.seed]
        carrier = node.start([program, *ends, *shape], stdout=subprocess.PIPE, text=True)
        if carrier.stdout.readline() != "ready\n":
            raise LabError(f"{program} did not start (`make {program}` builds it; it needs /dev/net/tun)")

    def introduce(self, node, device, address, mac):
        """A node of the internet and the router know each other's hardware addresses, as in real life they have for
        long. Otherwise the first packet of every run waits for them, over a slow wire a whole round trip."""
        node.ip(f"neigh replace {ROUTER} lladdr {ROUTER_MAC} dev {device} nud permanent")
        self.router.ip(f"neigh replace {address} lladdr {mac} dev internet nud permanent")

    def _make_router(self):
        router = Node("router", forwards=True)
        router.ip(
            f"link add internet address {ROUTER_MAC} type bridge",
            f"addr add {ROUTER}/24 dev internet",
            f"addr add {ROUTER6}/64 dev internet nodad",
            "link set internet up",
            f"route add {ROUTABLE}.0/24 dev internet",
            "route add blackhole default",
            "route add blackhole ::/0",
        )
        # an address of a known prefix that nobody has is swallowed too
        router.nft(
            """table inet silence { chain output { type filter hook output priority 0;
            icmp type destination-unreachable drop
            icmpv6 type destination-unreachable drop
            }
            }"""
        )
        return router


def link_delays(delay):
    """One way over a home's link and over the servers', in ms, for the two round trips asked for."""
    if not delay:
        return 0, 0
    between_peers, to_servers = delay
    home_ms = between_peers / 4
    server_ms = to_servers / 2 - home_ms
    if server_ms < 0:
        raise LabError("the servers cannot be nearer than half the way between two homes")
    return home_ms, server_ms
