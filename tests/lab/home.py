"""home.py - a gateway with its lan and the machines in it."""

import dataclasses
import ipaddress

import nat
from machine import ROUTER, ROUTER6, Machine, Node, mac_of

class Home:
    """A gateway with its lan and its machines; `machine` is the first of them.

    kind      of its IPv4 (nat.ALL_KINDS), None for none
    ipv6      None, "open" or "fw" (answers only)
    subnet    of the lan, as 192.168.1.0/24; drawn where none is given; a routed kind gets a public one
    carrier   another Home whose lan the wan is plugged into, None for the internet
    seconds   life of an idle mapping
    hole      bytes of the largest IP packet that comes through its wan; larger ones vanish. None for no such hole
    wire      a topology.Wire to the internet, None for one without length. Its seed is drawn
    opens     its router can be made to open ports (opener.py): its address is of the provider's that allows it
    rng       where its numbers come from, None for the lab's
    """

    def __init__(self, lab, kind, ipv6=None, subnet=None, carrier=None, seconds=None, rng=None, hole=None, wire=None,
                 opens=False):
        self.lab = lab
        self.kind = kind
        self.ipv6 = ipv6
        self.carrier = carrier
        self.hole = hole
        self.rng = rng or lab.rng
        self.wire = wire and dataclasses.replace(wire, seed=self.rng.randrange(1 << 20))
        self.machines = []
        self.guests = []  # addresses of machines of other homes
        self.number = lab.number()
        self.gateway = Node("gateway", forwards=True)
        self.pool = lab.routable if opens else lab.addresses
        self.wan = None if carrier else lab.take(self.pool)
        self.prefix = lab.take(lab.prefixes) if kind in nat.ROUTED else None
        self.subnet = ipaddress.ip_network(self.prefix or subnet or self._draw_subnet())
        self.prefix6 = ipaddress.ip_network(f"2001:db8:{self.number:x}::/64") if ipv6 else None
        self.free = self._draw_hosts()
        try:
            self._connect_wan()
            self._connect_lan()
            self.nat = nat.Nat(kind, self.address, self.rng, self.subnet, seconds, hole)
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
            self.lab.give(self.pool, self.wan)
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
        if self.hole:  # what is cut into packets only behind it would look too large to it
            machine.ip("link set eth0 gso_max_segs 1")
        self.gateway.await_port(f"host{number}")
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

    def change_address(self):
        """The provider gives the gateway another public address, as some do every night: every flow is gone. Only of a
        home with NAT that is plugged into the internet itself."""
        old, self.wan = self.wan, self.lab.take(self.pool)
        self.gateway.ip(
            f"addr add {self.wan}/32 dev wan",
            f"addr delete {old}/32 dev wan",
            f"link set wan address {mac_of(self.wan)}",
        )
        self._route_wan()
        self.lab.introduce(self.gateway, "wan", self.wan, mac_of(self.wan))
        self.lab.give(self.pool, old)
        self.nat.wan = self.wan
        self.restart_gateway()

    def move_machine(self, machine=None):
        """A machine gets another address of the lan, and the old one is gone, as after a change of network. Where the
        gateway maps by a rule of ours its rule is another from now on: the old address's mapping lives on for a while in
        any gateway, and the new one must not need its port."""
        machine = machine or self.machine
        old, machine.address = machine.address, str(self.free.pop(0))
        machine.ip(
            f"addr delete {old}/{self.subnet.prefixlen} dev eth0",
            f"addr add {machine.address}/{self.subnet.prefixlen} dev eth0",
            f"route replace default via {self.subnet[1]}",
        )
        self.nat.left.add(old)
        if self.nat.bits:
            self.restart_gateway()

    def adopt(self, machine, metric=None):
        """A machine of another home gets one more interface, into this lan, and packets of its address leave there; with a
        low metric of its route also whatever else may."""
        device, table = f"eth{self.lab.number()}", 1000 + self.number  # 253 to 255 are the kernel's own
        address = str(self.free.pop(0))
        port = f"host{self.lab.number()}"
        self.gateway.ip(
            f"link add {port} type veth peer name {device} netns {machine.path}", f"link set {port} master lan up"
        )
        machine.ip(
            f"link set {device} up",
            f"addr add {address}/{self.subnet.prefixlen} dev {device}",
            f"route add default via {self.subnet[1]} dev {device} metric {metric or table}",
            f"route add default via {self.subnet[1]} dev {device} table {table}",
            f"rule add from {address} table {table}",
        )
        self.guests.append(address)

    def dig_hole(self, size):
        """From now on larger IP packets vanish between its machines, without a word, as in a tunnel between two halves."""
        for machine in self.machines:
            machine.ip("link set eth0 gso_max_segs 1")  # what is cut into packets only later would look too large
        rule = f"ether type ip meta length > {size} drop"
        self.gateway.nft(f"table bridge hole {{ chain forward {{ type filter hook forward priority 0; {rule}\n }}\n }}")

    def addresses(self):
        """Those of its machines and guests."""
        return [machine.address for machine in self.machines] + self.guests

    def block_udp(self, blocked):
        """Whether UDP vanishes on the way to the internet and back; TCP goes on."""
        rules = ("add table inet blockade", "delete table inet blockade")
        if blocked:
            rules += (
                "table inet blockade { chain forward { type filter hook forward priority -10; meta l4proto udp drop\n }\n }",
            )
        self.gateway.nft("\n".join(rules))

    def plug_in(self):
        """The cable is in again. A gateway that lost its cable has lost its routes."""
        self.gateway.ip("link set wan up")
        self._route_wan()

    def cut_off(self):
        """Takes the cable to the internet out; the lan goes on."""
        self.gateway.ip("link set wan down")

    def drop_strangers(self):
        """What comes from inside with an address of another network is dropped (RFC 2827), as many gateways do."""
        rule = f'iifname "lan" ip saddr != {self.subnet} drop'
        self.gateway.nft(f"table ip strangers {{ chain forward {{ type filter hook forward priority -20; {rule}\n }}\n }}")

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
        self.lab.plug(self.gateway, "wan", mac_of(self.wan), self.lab.home_ms, self.wire)
        self.gateway.ip(f"addr add {self.wan}/32 dev wan")
        self._route_wan()
        self.lab.introduce(self.gateway, "wan", self.wan, mac_of(self.wan))
        if self.prefix:
            self.lab.router.ip(f"route add {self.prefix} via {self.wan}")
        if self.prefix6:
            wan6 = f"2001:db8::{self.number:x}:1"
            self.gateway.ip(f"addr add {wan6}/64 dev wan nodad", f"route add default via {ROUTER6}")
            self.lab.router.ip(f"route add {self.prefix6} via {wan6}")

    def _route_wan(self):
        via = self.carrier.subnet[1] if self.carrier else ROUTER
        direct = [] if self.carrier else [f"route replace {ROUTER} dev wan"]
        self.gateway.ip(*direct, f"route replace default via {via} dev wan")

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
        self.carrier.gateway.await_port(port)

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
