"""nat.py - the kinds of home gateway, as nftables rules (RFC 4787 for the words, RFC 6092 for IPv6).

A gateway has the interfaces `wan` and `lan`. Nothing here touches the system: a Nat turns numbers drawn from a
seed into rules, and topology.py loads them. Hairpin is absent everywhere: a packet from inside to the gateway's own
public address is dropped.
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
}
ROUTED = ("open", "fw")  # hosts behind these have public addresses
MAPPING_SECONDS = 120  # a Linux router's for a flow with answers
SEQUENCE = 4096  # ports a syms gateway counts through before it starts again
RANDOM_PORTS = 32768  # ports a symr gateway draws from


class Nat:
    """One gateway: its kind, its public address and what it drew. `seconds` is the life of an idle mapping."""

    def __init__(self, kind, wan, rng, seconds=None):
        if kind is not None and kind not in KINDS:
            raise ValueError(f"no such kind of NAT: {kind}")
        self.kind = kind
        self.wan = wan
        self.rng = rng
        self.seconds = seconds or MAPPING_SECONDS
        self.draw_ports()

    def draw_ports(self):
        """New external ports, as after a restart. A cone's port is the inner one with some bits turned over: still one
        to one, and with the bits all 0 a Linux router's, which keeps the port. The highest bit stays, so that a
        port of the ephemeral range never becomes a privileged one."""
        self.bits = self.rng.choice((0, self.rng.randrange(1, 0x8000)))
        self.first = self.rng.randrange(20000, 60000 - SEQUENCE)
        self.low = self.rng.randrange(2048, 65536 - RANDOM_PORTS)

    def rules(self, ipv6=None):
        """All rules of the gateway. `ipv6` is None, "open" or "fw"."""
        return "\n".join(("flush ruleset", self._filter(ipv6), self._translation()))

    def _filter(self, ipv6):
        """Unsolicited packets die in `input` before they are confirmed: otherwise they would occupy the very flow that
        the host inside is about to open, and its packets would leave from another port."""
        refuse = "reject with icmp type port-unreachable" if self.kind == "portrej" else "drop"
        forward = [] if self.kind == "open" else ['meta nfproto ipv4 iifname "wan" drop']
        if ipv6 != "open":
            forward.append('meta nfproto ipv6 iifname "wan" drop')
        learn = {
            "full": f'oifname "wan" meta l4proto udp update @holes {{ {self._outer("sport")} : ip saddr }}',
            "addr": f'oifname "wan" meta l4proto udp update @holes {{ {self._outer("sport")} : ip saddr }}\n'
            f'oifname "wan" meta l4proto udp update @allowed {{ ip daddr . {self._outer("sport")} }}',
        }.get(self.kind, "")
        return f"""
table ip gateway {{
    map holes {{ type inet_service : ipv4_addr; flags dynamic,timeout; timeout {self.seconds}s; }}
    set allowed {{ type ipv4_addr . inet_service; flags dynamic,timeout; timeout {self.seconds}s; }}
    chain learn {{
        type filter hook forward priority -1;
        {learn}
    }}
    {self._inbound()}
}}
table inet filtering {{
    chain input {{
        type filter hook input priority 0;
        ct state established,related accept
        iifname "wan" meta nfproto ipv4 meta l4proto udp {refuse}
        iifname "wan" meta l4proto {{ tcp, udp }} drop
        iifname "lan" ip daddr {self.wan} meta l4proto {{ tcp, udp }} drop
    }}
    chain forward {{
        type filter hook forward priority 0;
        ct state established,related accept
        ct status dnat accept
        {chr(10).join(forward)}
    }}
}}"""

    def _inbound(self):
        allowed = {"full": "", "addr": "ip saddr . udp dport @allowed"}.get(self.kind)
        if allowed is None:
            return ""
        port = f":{self._outer('dport')}" if self.bits else ""
        return f"""chain inbound {{
        type nat hook prerouting priority -100;
        iifname "wan" {allowed} dnat to udp dport map @holes{port}
    }}"""

    def _translation(self):
        if self.kind is None or self.kind in ROUTED:
            return ""
        return f"""
table ip translation {{
    chain outbound {{
        type nat hook postrouting priority 100;
        oifname "wan" meta l4proto udp snat to {self.wan}{self._ports()}
        oifname "wan" snat to {self.wan}
    }}
}}"""

    def _outer(self, field):
        """The port outside for the one inside, and the other way round."""
        return f"udp {field} xor {self.bits:#x}" if self.bits else f"udp {field}"

    def _ports(self):
        if self.kind == "syms":
            # numgen's own offset would count in host byte order: on the wire the port would step by 256
            steps = ", ".join(f"{i} : {self.first + i}" for i in range(SEQUENCE))
            return f" : numgen inc mod {SEQUENCE} map {{ {steps} }}"
        if self.kind == "symr":
            return f":{self.low}-{self.low + RANDOM_PORTS - 1} random,fully-random"
        return f" : {self._outer('sport')}" if self.bits else ""
