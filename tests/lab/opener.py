"""opener.py - what opens ports in a home router: miniupnpd, speaking UPnP, NAT-PMP and PCP to the lan.

    home = trial.home("symr", opens=True)
    with Opener(home, "pcp") as opener:      "upnp", "natpmp", "pcp", "all"
        opener.mappings()                    what the kernel's table says: a list of (external port, address, port)
        opener.restart()                     the router forgets its mappings

A home whose router opens ports has a public address of its own kind: miniupnpd knows the documentation's prefixes and
maps nothing behind them. PCP and NAT-PMP share a port; "natpmp" lets no packet of PCP through, as an older router that
does not even say no.
"""

import re
import socket
import struct
import subprocess

from namespace import LabError, end
from servers import port_is_bound, wait_until

PROTOCOLS = ("upnp", "natpmp", "pcp", "all")
HTTP_PORT = 5000
SERVER_PORT = 5351
ETH_ALL = 3
PCP_VERSION, PCP_MAP = 2, 1
TABLES = f"""
table inet opener {{
    chain mapped {{ }}
    chain left {{ }}
    chain prerouting {{
        type nat hook prerouting priority -110;
        jump mapped
    }}
    chain postrouting {{
        type nat hook postrouting priority 90;
        jump left
    }}
}}
table inet filtering {{
    chain pinholes {{ }}
}}
insert rule inet filtering forward iifname "wan" jump pinholes
"""
NO_PCP = f'insert rule inet filtering input iifname "lan" udp dport {SERVER_PORT} @th,64,8 2 drop'


class PcpRequests:
    """What is asked of a gateway by PCP, as it comes in from its lan: MAP requests (RFC 6887 7.1, 11.1)."""

    def __init__(self, gateway):
        with gateway:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ALL))
        self.socket.bind(("lan", ETH_ALL))
        self.socket.setblocking(False)
        self.asked = {}  # (client, protocol and port inside): [(lifetime, nonce)]

    def close(self):
        self.socket.close()

    def _read(self):
        while True:
            try:
                data, about = self.socket.recvfrom(1 << 16)
            except BlockingIOError:
                return
            version, at = data[0] >> 4, 40 if data[0] >> 4 == 6 else (data[0] & 15) * 4
            udp = about[2] != socket.PACKET_OUTGOING and data[6 if version == 6 else 9] == socket.IPPROTO_UDP
            message = data[at + 8:] if udp and data[at + 2:at + 4] == struct.pack("!H", SERVER_PORT) else b""
            if len(message) >= 60 and message[:2] == bytes([PCP_VERSION, PCP_MAP]):
                lifetime, client, nonce, inside = struct.unpack_from("!I16s12s6s", message, 4)
                self.asked.setdefault((client, inside), []).append((lifetime, nonce))

    def all_taken_back(self):
        """For each port the last word was to close it, with the nonce that it was opened with."""
        self._read()
        return bool(self.asked) and all(
            words[-1][0] == 0 and len({nonce for _, nonce in words}) == 1 for words in self.asked.values()
        )


class Opener:
    """`seconds` is the longest life that the router gives a mapping."""

    def __init__(self, home, protocol="all", seconds=86400):
        if protocol not in PROTOCOLS:
            raise ValueError(f"no such protocol: {protocol}")
        self.home = home
        self.protocol = protocol
        self.seconds = seconds
        self.files = f"{home.lab.scratch.name}/opener-{home.number}"
        self.child = None
        self.wire = PcpRequests(home.gateway)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.wire.close()

    def _configuration(self):
        upnp, natpmp = self.protocol in ("upnp", "all"), self.protocol != "upnp"
        lines = ["ext_ifname=wan", "listening_ip=lan", f"port={HTTP_PORT}", "secure_mode=yes", "system_uptime=no"]
        lines += [f"enable_upnp={'yes' if upnp else 'no'}", f"enable_natpmp={'yes' if natpmp else 'no'}"]
        lines += [f"min_lifetime={min(self.seconds // 2, 120)}", f"max_lifetime={self.seconds}"]
        lines += ["upnp_table_name=filtering", "upnp_nat_table_name=opener", "upnp_forward_chain=pinholes"]
        lines += ["upnp_nat_chain=mapped", "upnp_nat_postrouting_chain=left"]
        lines += [f"uuid=00000000-0000-0000-0000-{self.home.number:012x}", "notify_interval=60"]
        lines += ["allow 1024-65535 0.0.0.0/0 1024-65535", "deny 0-65535 0.0.0.0/0 0-65535"]
        return "\n".join(lines) + "\n"

    def start(self):
        gateway = self.home.gateway
        gateway.nft(TABLES + (NO_PCP if self.protocol == "natpmp" else ""))
        with open(f"{self.files}.conf", "w", encoding="ascii") as file:
            file.write(self._configuration())
        argv = ["miniupnpd", "-d", "-f", f"{self.files}.conf", "-P", f"{self.files}.pid"]
        with open(f"{self.files}.log", "ab") as log:
            self.child = gateway.start(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        protocol, port = ("tcp6", HTTP_PORT) if self.protocol in ("upnp", "all") else ("udp", SERVER_PORT)
        wait_until(
            lambda: port_is_bound(gateway, protocol, port) or port_is_bound(gateway, protocol.rstrip("6"), port),
            "miniupnpd (Debian: miniupnpd-nftables) did not start",
        )

    def stop(self):
        """Politely: it then takes its rules out by itself."""
        if self.child:
            end(self.child)
            self.child = None

    def restart(self):
        """As when the power was gone: nothing is remembered."""
        if self.child:
            self.child.kill()
            self.child.wait()
        self.home.restart_gateway()
        self.start()

    def heard(self):
        """What it wrote down of requests so far."""
        with open(f"{self.files}.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def mappings(self):
        """What the rules say: (port outside, address inside, port inside)."""
        rules = self._chain("opener", "mapped")
        found = re.findall(r"dport (\d+).*dnat(?: ip)? to ([\d.]+):(\d+)", rules)
        return [(int(outside), address, int(inside)) for outside, address, inside in found]

    def pinholes(self):
        """The rules that are holes for IPv6: miniupnpd writes them without names, IPv4's compare 32 bits."""
        rules = self._chain("filtering", "pinholes").splitlines()
        return [rule.strip() for rule in rules if "accept" in rule and "@nh,128,32" not in rule]

    def has_closed(self):
        """There is no hole, or it was told to close it, rightly, and refused: when it is slow and so asked twice, miniupnpd
        does not know its own hole any more."""
        refused = "Unauthorized to remove PCP mapping" in self.heard()
        return not self.pinholes() or (refused and self.wire.all_taken_back())

    def _chain(self, table, chain):
        listed = self.home.gateway.run(["nft", "list", "chain", "inet", table, chain])
        if listed.returncode != 0:
            raise LabError(f"the rules of the opener: {listed.stderr.strip()}")
        return listed.stdout
