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
import time

import nat
from namespace import LabError, Namespace, end

ROUTER = "203.0.113.1"
ROUTER6 = "2001:db8::1"
MQTT_PORT = 1883
STUN_PORT = 3478


class Node(Namespace):
    """A namespace with forwarding or without, whose IPv6 addresses are usable at once."""

    def __init__(self, name, forwards=False):
        super().__init__(name)
        self.sysctl(
            ipv6__conf__all__accept_dad=0,
            ipv6__conf__default__accept_dad=0,
            ipv4__conf__all__rp_filter=0,
            ipv4__conf__default__rp_filter=0,
        )
        if forwards:
            self.sysctl(
                ipv4__ip_forward=1,
                ipv6__conf__all__forwarding=1,
                ipv4__conf__all__send_redirects=0,
                ipv4__conf__default__send_redirects=0,
            )


class Machine(Node):
    """A computer of a home. `address` and `address6` are None where it has none. Its programs see its own interfaces
    below /sys too: a mount namespace goes with it."""

    mounts = -1

    def __init__(self, name):
        super().__init__(name)
        self.address = None
        self.address6 = None
        try:
            self._mount_sys()
        except BaseException:
            self.close()
            raise

    def _mount_sys(self):
        script = "mount -t sysfs sysfs /sys && echo ready && read -r _"
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        keeper = self.start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with keeper:
            if keeper.stdout.readline() != b"ready\n":
                raise LabError(f"{self.name}: no /sys of its own")
            self.mounts = os.open(f"/proc/{keeper.pid}/ns/mnt", os.O_RDONLY)

    def wrapper(self):
        if self.mounts < 0:
            return []
        return ["nsenter", f"--mount=/proc/{os.getpid()}/fd/{self.mounts}", f"--wd={os.getcwd()}", "--"]

    def close(self):
        super().close()
        if self.mounts >= 0:
            os.close(self.mounts)
            self.mounts = -1


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
        self.scratch = tempfile.TemporaryDirectory(prefix="p2pconnect-lab-")
        self.addresses = [f"203.0.113.{n}" for n in range(10, 250)]
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

    def plug(self, node, device, mac, delay_ms=0):
        """Connects a new device of the node to the internet; answers the name of the router's end."""
        port = f"port{self.number()}"
        if delay_ms:
            self._plug_slow(node, device, port, delay_ms)
        else:
            self.router.ip(f"link add {port} type veth peer name {device} netns {node.path}")
        self.router.ip(f"link set {port} master internet up")
        node.ip(f"link set {device} address {mac}", f"link set {device} up")
        return port

    def _plug_slow(self, node, device, port, delay_ms):
        program = os.path.join(self.build, "lab", "delay")
        wire = node.start(
            [program, self.router.path, port, node.path, device, delay_ms], stdout=subprocess.PIPE, text=True
        )
        if wire.stdout.readline() != "ready\n":
            raise LabError(f"{program} did not start (`make {program}` builds it; it needs /dev/net/tun)")

    def _make_router(self):
        router = Node("router", forwards=True)
        router.ip(
            "link add internet address 02:00:00:00:00:01 type bridge",
            f"addr add {ROUTER}/24 dev internet",
            f"addr add {ROUTER6}/64 dev internet nodad",
            "link set internet up",
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


def mac_of(address):
    """An address has the same hardware address for ever: no neighbour's memory can be wrong."""
    return "02:" + ":".join(f"{byte:02x}" for byte in b"\0" + ipaddress.ip_address(address).packed[-4:])


class Servers:
    """A machine on the internet with a broker and a STUN server. It has two addresses of each family."""

    def __init__(self, lab):
        self.lab = lab
        self.node = Node("servers")
        self.address = lab.take(lab.addresses)
        self.second = lab.take(lab.addresses)
        number = lab.number()
        self.address6 = f"2001:db8::{number:x}:2"
        self.second6 = f"2001:db8::{number:x}:3"
        self.broker = f"{self.address}:{MQTT_PORT}"
        self.stun = f"{self.address}:{STUN_PORT}"
        self.broker6 = f"[{self.address6}]:{MQTT_PORT}"
        self.second_stun = f"{self.second}:{STUN_PORT}"
        self.second_stun6 = f"[{self.second6}]:{STUN_PORT}"
        self.stun6 = f"[{self.address6}]:{STUN_PORT}"
        self.mosquitto = None
        try:
            self._connect()
            self.start_broker()
            self._start_stun()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.node.close()
        self.lab.give(self.lab.addresses, self.address)
        self.lab.give(self.lab.addresses, self.second)

    def _connect(self):
        self.lab.plug(self.node, "wan", mac_of(self.address), self.lab.server_ms)
        self.node.ip(
            f"addr add {self.address}/32 dev wan",
            f"addr add {self.second}/32 dev wan",
            f"route add {ROUTER} dev wan",
            f"route add default via {ROUTER}",
            f"addr add {self.address6}/64 dev wan nodad",
            f"addr add {self.second6}/64 dev wan nodad",
            f"route add default via {ROUTER6}",
        )

    def start_broker(self):
        self.mosquitto = broker_start(self.node, self.lab)

    def kill_broker(self):
        self.mosquitto.kill()
        self.mosquitto.wait()

    def _start_stun(self):
        listen = [f for a in (self.address, self.second, self.address6, self.second6) for f in ("-L", a)]
        turnserver = ["turnserver", "-n", *listen, "-E", self.address, "-p", STUN_PORT]
        turnserver += ["--lt-cred-mech", "-u", "user:password", "-r", "lab", "--no-tls", "--no-dtls", "--no-cli"]
        turnserver += ["--log-file", "stdout", "--simple-log", "--pidfile", f"{self.lab.scratch.name}/turn.pid"]
        turnserver += ["--userdb", f"{self.lab.scratch.name}/turn.db"]
        with open(f"{self.lab.scratch.name}/turnserver-{self.address}.log", "wb") as log:
            self.node.start(turnserver, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: port_is_bound(self.node, "udp", STUN_PORT), "turnserver (Debian: coturn) did not start")


def broker_start(node, lab):
    """mosquitto as the big public brokers run it: without delaying small answers."""
    path = f"{lab.scratch.name}/mosquitto-{node.fd}.conf"
    with open(path, "w", encoding="ascii") as conf:
        conf.write(f"user root\nlistener {MQTT_PORT}\nallow_anonymous true\nset_tcp_nodelay true\n")
    with open(f"{path}.log", "ab") as log:
        child = node.start(["mosquitto", "-c", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: port_is_bound(node, "tcp", MQTT_PORT), "mosquitto did not start")
    return child


def port_is_bound(node, protocol, port):
    with node, open(f"/proc/thread-self/net/{protocol}", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in list(table)[1:])


def wait_until(condition, complaint, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise LabError(complaint)
        time.sleep(0.01)


class Home:
    """A gateway with its lan and its machines; `machine` is the first of them.

    kind      of its IPv4 (nat.KINDS), None for none
    ipv6      None, "open" or "fw" (answers only)
    subnet    of the lan, as 192.168.1.0/24; drawn where none is given; a routed kind gets a public one
    carrier   another Home whose lan the wan is plugged into, None for the internet
    seconds   life of an idle mapping
    rng       where its numbers come from, None for the lab's
    """

    def __init__(self, lab, kind, ipv6=None, subnet=None, carrier=None, seconds=None, rng=None):
        self.lab = lab
        self.kind = kind
        self.ipv6 = ipv6
        self.carrier = carrier
        self.rng = rng or lab.rng
        self.machines = []
        self.number = lab.number()
        self.gateway = Node("gateway", forwards=True)
        self.wan = None if carrier else lab.take(lab.addresses)
        self.prefix = lab.take(lab.prefixes) if kind in nat.ROUTED else None
        self.subnet = ipaddress.ip_network(self.prefix or subnet or self._draw_subnet())
        self.prefix6 = ipaddress.ip_network(f"2001:db8:{self.number:x}::/64") if ipv6 else None
        self.free = self._draw_hosts()
        try:
            self._connect_wan()
            self._connect_lan()
            self.nat = nat.Nat(kind, self.address, self.rng, seconds)
            self._load(seconds)
        except BaseException:
            self.close()
            raise
        with lab.lock:
            lab.homes.append(self)

    @property
    def machine(self):
        return self.machines[0]

    @property
    def address(self):
        """The address its packets have on the internet's side of the gateway."""
        return self.wan or self.carrier_address

    def close(self):
        for machine in self.machines:
            machine.close()
        self.machines = []
        if self.gateway.fd < 0:
            return
        # at once and in order: the address may soon be somebody else's
        self.gateway.run(["ip", "link", "delete", "wan"])
        if self.prefix:
            self.lab.router.run(["ip", "route", "delete", self.prefix])
            self.lab.give(self.lab.prefixes, self.prefix)
        if self.prefix6:
            self.lab.router.run(["ip", "-6", "route", "delete", str(self.prefix6)])
        if self.wan:
            self.lab.give(self.lab.addresses, self.wan)
        self.gateway.close()
        with self.lab.lock:
            if self in self.lab.homes:
                self.lab.homes.remove(self)

    def add_machine(self, address=None):
        """One more computer on the lan, at this address or at one drawn."""
        machine = Machine(f"machine {self.number}.{len(self.machines) + 1}")
        self.machines.append(machine)
        number = self.lab.number()
        self.gateway.ip(
            f"link add host{number} type veth peer name eth0 netns {machine.path}",
            f"link set host{number} master lan up",
        )
        machine.ip(f"link set eth0 address 02:01:00:00:{number >> 8 & 255:02x}:{number & 255:02x}", "link set eth0 up")
        if self.kind:
            machine.address = address or str(self.free.pop(0))
            machine.ip(
                f"addr add {machine.address}/{self.subnet.prefixlen} dev eth0",
                f"route add default via {self.subnet[1]}",
            )
        if self.ipv6:
            machine.address6 = str(self.prefix6[0x100 + len(self.machines)])
            machine.ip(
                f"addr add {machine.address6}/64 dev eth0 nodad", f"route add default via {self.prefix6[1]}"
            )
        return machine

    def restart_gateway(self, new_ports=True):
        """The router forgets every flow, and its next mappings are on other ports (or on the same ones)."""
        if new_ports:
            before = self.nat.bits
            while self.nat.bits == before:
                self.nat.draw_ports()
        self.gateway.nft(self.nat.rules(self.ipv6))
        self.gateway.forget_flows()

    def cut_off(self):
        """Takes the cable to the internet out; the lan goes on."""
        self.gateway.ip("link set wan down")

    def _draw_subnet(self):
        if self.kind is None:
            return "192.168.1.0/24"  # without IPv4 nobody sees it
        return f"192.168.{self.rng.choice((0, 1, 2, 8, 50, 86, 100, 178, self.rng.randrange(256)))}.0/24"

    def _draw_hosts(self):
        hosts = list(self.subnet.hosts())[1:]
        self.rng.shuffle(hosts)
        return hosts

    def _connect_wan(self):
        if self.carrier:
            self._connect_carrier()
            return
        self.lab.plug(self.gateway, "wan", mac_of(self.wan), self.lab.home_ms)
        self.gateway.ip(
            f"addr add {self.wan}/32 dev wan", f"route add {ROUTER} dev wan", f"route add default via {ROUTER}"
        )
        if self.prefix:
            self.lab.router.ip(f"route add {self.prefix} via {self.wan}")
        if self.prefix6:
            wan6 = f"2001:db8::{self.number:x}:1"
            self.gateway.ip(f"addr add {wan6}/64 dev wan nodad", f"route add default via {ROUTER6}")
            self.lab.router.ip(f"route add {self.prefix6} via {wan6}")

    def _connect_carrier(self):
        port = f"host{self.lab.number()}"
        self.carrier_address = str(self.carrier.free.pop(0))
        self.carrier.gateway.ip(
            f"link add {port} type veth peer name wan netns {self.gateway.path}", f"link set {port} master lan up"
        )
        self.gateway.ip(
            f"link set wan address {mac_of(self.carrier_address)}",
            "link set wan up",
            f"addr add {self.carrier_address}/{self.carrier.subnet.prefixlen} dev wan",
            f"route add default via {self.carrier.subnet[1]}",
        )

    def _connect_lan(self):
        self.gateway.ip(f"link add lan address 02:02:00:00:{self.number >> 8:02x}:{self.number & 255:02x} type bridge")
        if self.kind:
            self.gateway.ip(f"addr add {self.subnet[1]}/{self.subnet.prefixlen} dev lan")
        if self.prefix6:
            self.gateway.ip(f"addr add {self.prefix6[1]}/64 dev lan nodad")
        self.gateway.ip("link set lan up")

    def _load(self, seconds):
        self.gateway.nft(self.nat.rules(self.ipv6))
        if seconds:
            self.gateway.sysctl(
                netfilter__nf_conntrack_udp_timeout=seconds, netfilter__nf_conntrack_udp_timeout_stream=seconds
            )
