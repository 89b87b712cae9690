"""nat.py - the kinds of home gateway, as nftables rules (RFC 4787 for the words, RFC 6092 for IPv6).

A gateway has the interfaces `wan` and `lan`. Nothing here touches the system: a Nat turns numbers drawn from a
seed into rules, and topology.py loads them. Hairpin is absent but in the kind of that name: a packet from inside to
the gateway's own public address is dropped.
"""

KINDS = {
    "open": "no NAT, no firewall: the host's address is public",
    "fw": "no NAT: the host's address is public, behind a firewall that lets answers in",
    "full": "full cone: one mapping for all destinations, anybody may send to it",
    "addr": "one mapping for all destinations, addresses once sent to may answer from any port",
    "port": "port-restricted cone: one mapping for all destinations, only who was sent to may answer",
    "portrej": "as port, and what is unsolicited is answered with ICMP port unreachable",
    "syms": "symmetric: a mapping for each destination, ports one after the other",
    "symr": "symmetric: a mapping for each destination, ports at random",
    "tcponly": "as port, but no UDP passes",
}  # the matrix is of these
MORE_KINDS = {
    "syms2": "as syms, every second port",
    "syms5": "as syms, every fifth port",
    "symsdown": "as syms, counting down",
    "block": "symmetric, ports at random inside a carrier's block of 1,024",
    "addrmap": "a mapping for each destination address, ports at random",
    "hairpin": "as port, and packets from inside to a mapping of its own come back, from the mapping of who sent them",
    "naive": "as port, but remembers a stranger's packet: what goes there then leaves from another port; ports are kept",
    "only443": "as port, but nothing passes other than TCP to port 443",
}
ALL_KINDS = KINDS | MORE_KINDS
ROUTED = ("open", "fw")  # hosts behind these have public addresses
STEPS = {"syms": 1, "syms2": 2, "syms5": 5, "symsdown": -1}
MAPPING_SECONDS = 120  # a Linux router's for a flow with answers
SEQUENCE = 4096  # mappings a gateway with a sequence makes before it starts again
RANDOM_PORTS = 32768  # ports a symr or addrmap gateway draws from
BLOCK_PORTS = 1024  # ports that a carrier gives one customer; a block begins at a multiple
FORBIDDEN = {
    "tcponly": ('oifname "wan" meta l4proto udp drop',),
    "only443": ('oifname "wan" meta l4proto != tcp drop', 'oifname "wan" tcp dport != 443 drop'),
}


class Nat:
    """One gateway: its kind, its public address, the network `lan` behind it, and what it drew. `seconds` is the life of
    an idle mapping, `hole_bytes` the size above which IP packets vanish on its wan without a word, None for no such
    hole."""

    def __init__(self, kind, wan, rng, lan, seconds=None, hole_bytes=None):
        if kind is not None and kind not in ALL_KINDS:
            raise ValueError(f"no such kind of NAT: {kind}")
        self.kind = kind
        self.wan = wan
        self.rng = rng
        self.lan = lan
        self.seconds = seconds or MAPPING_SECONDS
        self.hole_bytes = hole_bytes
        self.left = set()  # addresses of the lan that machines had before: their last packets may still be on the way
        self.draw_ports()

    def draw_ports(self):
        """New external ports, as after a restart. A cone's port is the inner one with some bits turned over: still one
        to one, and with the bits all 0 a Linux router's, which keeps the port. The highest bit stays, so that a
        port of the ephemeral range never becomes a privileged one."""
        self.bits = self.rng.choice((0, self.rng.randrange(1, 0x8000)))
        if self.kind == "naive":
            self.bits = 0
        reach = STEPS.get(self.kind, 1) * SEQUENCE
        self.first = self.rng.randrange(20000 - min(reach, 0), 60000 - max(reach, 0))
        self.size = BLOCK_PORTS if self.kind == "block" else RANDOM_PORTS
        self.low = self.rng.randrange(2, (65536 - self.size) // BLOCK_PORTS + 1) * BLOCK_PORTS

    def rules(self, ipv6=None):
        """All rules of the gateway. `ipv6` is None, "open" or "fw"."""
        return "\n".join(("flush ruleset", self._filter(ipv6), self._translation()))

    def _filter(self, ipv6):
        """Unsolicited packets die in `input` before they are confirmed: otherwise they would occupy the very flow that
        the host inside is about to open, and its packets would leave from another port. "naive" is the gateway
        whose owner forgot that."""
        naive = 'iifname "wan" meta l4proto udp accept' if self.kind == "naive" else ""
        refuse = "reject with icmp type port-unreachable" if self.kind == "portrej" else "drop"
        forward = [] if self.kind == "open" else ['meta nfproto ipv4 iifname "wan" drop']
        if ipv6 != "open":
            forward.append('meta nfproto ipv6 iifname "wan" drop')
        return f"""
table ip gateway {{
    map holes {{ type inet_service : ipv4_addr; flags dynamic,timeout; timeout {self.seconds}s; }}
    set allowed {{ type ipv4_addr . inet_service; flags dynamic,timeout; timeout {self.seconds}s; }}
    chain learn {{
        type filter hook forward priority -1;
        {self._learn()}
    }}
    {self._inbound()}
}}
table inet filtering {{
    chain input {{
        type filter hook input priority 0;
        ct state established,related accept
        {naive}
        iifname "wan" meta nfproto ipv4 meta l4proto udp {refuse}
        iifname "wan" meta l4proto {{ tcp, udp }} drop
        iifname "lan" ip daddr {self.wan} meta l4proto {{ tcp, udp }} drop
    }}
    chain forward {{
        type filter hook forward priority 0;
        {self._hole()}
        {chr(10).join(FORBIDDEN.get(self.kind, ()))}
        ct state established,related accept
        ct status dnat accept
        {chr(10).join(forward)}
    }}
}}"""

    def _learn(self):
        hole = f'oifname "wan" meta l4proto udp update @holes {{ {self._outer("sport")} : ip saddr }}'
        allowed = f'oifname "wan" meta l4proto udp update @allowed {{ ip daddr . {self._outer("sport")} }}'
        return {"full": hole, "addr": f"{hole}\n{allowed}", "hairpin": hole}.get(self.kind, "")

    def _hole(self):
        if not self.hole_bytes:
            return ""
        drops = [f'{way} "wan" meta length > {self.hole_bytes} drop' for way in ("iifname", "oifname")]
        # as gateways before such links do: TCP is told of shorter segments, and only UDP meets the hole
        return "\n".join([f"tcp flags syn tcp option maxseg size set {self.hole_bytes - 40}", *drops])

    def _inbound(self):
        caught = {
            "full": 'iifname "wan"',
            "addr": 'iifname "wan" ip saddr . udp dport @allowed',
            "hairpin": f'iifname "lan" ip daddr {self.wan}',
        }.get(self.kind)
        if caught is None:
            return ""
        port = f":{self._outer('dport')}" if self.bits else ""
        return f"""chain inbound {{
        type nat hook prerouting priority -100;
        {caught} dnat to udp dport map @holes{port}
    }}"""

    def _translation(self):
        if self.kind is None or self.kind in ROUTED:
            return ""
        return f"""
table ip translation {{
    {self._memory()}
    chain outbound {{
        type nat hook postrouting priority 100;
        {chr(10).join(self._outbound())}
        oifname "wan" snat to {self.wan}
    }}
}}"""

    def _outbound(self):
        udp = f'oifname "wan" meta l4proto udp snat to {self.wan}'
        # A machine that has moved may send from the address that it had before, elsewhere or here. Its ports are below
        # all that machines have themselves: by the rule of a cone it would get that of its new address, whose packets
        # would then have none and be dropped.
        for old in (f"!= {self.lan}", *sorted(self.left)):
            yield f'oifname "wan" ip saddr {old} meta l4proto udp snat to {self.wan}:2048-32767 fully-random'
        if self.kind == "hairpin":
            own = f":{self._outer('sport')}" if self.bits else ""
            yield f'oifname "lan" ct status dnat meta l4proto udp snat to {self.wan}{own}'
        if self.kind == "addrmap":
            yield f"{udp} : ip saddr . udp sport . ip daddr map @mapped"
        yield udp + self._ports()

    def _memory(self):
        """What an address-dependent gateway has mapped; every packet keeps its mapping alive."""
        if self.kind != "addrmap":
            return ""
        key = "ct original ip saddr . ct original proto-src . ip daddr"
        return f"""map mapped {{
        type ipv4_addr . inet_service . ipv4_addr : inet_service; flags dynamic,timeout; timeout {self.seconds}s;
    }}
    chain remember {{
        type filter hook postrouting priority 200;
        oifname "wan" meta l4proto udp ct direction original update @mapped {{ {key} : ct reply proto-dst }}
    }}"""

    def _outer(self, field):
        """The port outside for the one inside, and the other way round."""
        return f"udp {field} xor {self.bits:#x}" if self.bits else f"udp {field}"

    def _ports(self):
        step = STEPS.get(self.kind)
        if step:
            # numgen's own offset would count in host byte order: on the wire the port would step by 256
            steps = ", ".join(f"{i} : {self.first + step * i}" for i in range(SEQUENCE))
            return f" : numgen inc mod {SEQUENCE} map {{ {steps} }}"
        if self.kind in ("symr", "block", "addrmap"):
            return f":{self.low}-{self.low + self.size - 1} random,fully-random"
        return f" : {self._outer('sport')}" if self.bits else ""
