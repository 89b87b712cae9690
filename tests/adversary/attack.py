"""attack.py - what the scenes of this folder share: the mark of a scene, an untrusted broker, a recorder of packets."""

import ipaddress
import os
import select
import socket
import struct
import threading
import time

import harness
import proxy
from scene import scene  # noqa: F401 - the scenes' own mark, handed on

SECRET = "seven brass kettles"
ETH_ALL = 3
PACKET_OUTGOING = 4


def untrusted_broker(world):
    """A proxy in front of a broker of its own."""
    between = proxy.Proxy(world.broker().port)
    world.endings.append(between.close)
    return between


def secret(text=SECRET):
    return {"P2PCONNECT_SECRET": text}


class Capture:
    """What leaves on an interface, from now on: (seconds, source, destination, payload) of each UDP and TCP packet with a
    port of `ports` (none: all). The loopback interface shows each packet twice; one direction is enough."""

    def __init__(self, world, interface="lo", ports=(), keep_payload=True):
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ALL))
        except PermissionError as error:
            raise harness.Skip("packets can only be captured by root") from error
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.socket.bind((interface, ETH_ALL))
        self.ports, self.keep_payload = set(ports), keep_payload
        self.packets = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        world.endings.append(self.close)

    def _run(self):
        while not self.ended.is_set():
            if select.select([self.socket], [], [], 0.1)[0]:
                data, address = self.socket.recvfrom(1 << 16)
                if address[2] == PACKET_OUTGOING:
                    self._take(time.monotonic(), data)

    def _take(self, now, data):
        if data[0] >> 4 == 4:
            protocol, at = data[9], (data[0] & 15) * 4
            source, destination = data[12:16], data[16:20]
        elif data[0] >> 4 == 6:
            protocol, at = data[6], 40
            source, destination = data[8:24], data[24:40]
        else:
            return
        if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
            return
        ports = struct.unpack(">HH", data[at:at + 4])
        if self.ports and not self.ports & set(ports):
            return
        header = 8 if protocol == socket.IPPROTO_UDP else (data[at + 12] >> 4) * 4
        ends = [(str(ipaddress.ip_address(a)), p) for a, p in zip((source, destination), ports)]
        self.packets.append((now, *ends, data[at + header:] if self.keep_payload else b""))

    def close(self):
        self.ended.set()
        self.thread.join(2)
        self.socket.close()


class Listener:
    """A UDP socket on an address where nobody should send anything."""

    def __init__(self, world, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        self.address = "%s:%d" % self.socket.getsockname()
        world.endings.append(self.socket.close)

    def count(self):
        found = 0
        while True:
            try:
                self.socket.recv(2048)
                found += 1
            except BlockingIOError:
                return found


def own_addresses():
    """Every address of this machine, as text without a zone."""
    found = set()
    for path, of in (("/proc/net/fib_trie", 4), ("/proc/net/if_inet6", 6)):
        if not os.path.exists(path):
            continue
        with open(path, encoding="ascii") as lines:
            lines = lines.read().splitlines()
        if of == 6:
            found |= {str(ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))) for line in lines}
            continue
        for line, after in zip(lines, lines[1:]):
            if "/32 host LOCAL" in after and "|--" in line:
                found.add(line.split()[-1])
    return found


def ports_of(program):
    """The UDP ports it offers."""
    return {int(event["address"].rsplit(":", 1)[1]) for event in program.events("candidate")}
