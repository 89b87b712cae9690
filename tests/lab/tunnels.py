"""tunnels.py - a tunnel of UDP through `forward`: keep-alives, keys that are changed by a timer, both ways, for minutes.

It behaves as WireGuard does, whose own program needs a kernel or a compiler that a laboratory may lack: the initiator
asks for a new key every REKEY_SECONDS and every RETRY_SECONDS until it is answered; data goes both ways under the key
of the moment and is dropped without one; who has been silent for KEEPALIVE_SECONDS says so; a key older than
REJECT_SECONDS is worth nothing. Times are WireGuard's, shortened in a quick run. Meanwhile the gateways map anew.
"""

import socket
import struct
import threading
import time

from peers import Unmet
from trial import Outcome, Scenario

PORT = 51820
HANDSHAKE, ANSWER, DATA, KEEPALIVE = range(4)
HEAD = struct.Struct(">BIQ")  # what, which key, number
SIZE = 1000  # bytes of a packet of data: below what every path holds
EVERY_SECONDS = 0.02  # a packet each way
REKEY_SECONDS = {True: 2, False: 120}
RETRY_SECONDS = {True: 1, False: 5}
KEEPALIVE_SECONDS = 10
REJECT_SECONDS = {True: 5, False: 180}
LAST_SECONDS = {True: 8, False: 600}
REBIND_SECONDS = {True: 3, False: 75}  # between two new mappings, of one gateway and then the other
GAP_SECONDS = 5  # without a packet of data, at most
LOST_SHARE = {True: 0.2, False: 0.03}  # what is sent until a new mapping is found is lost


class End:
    """One end of the tunnel: a thread that sends, receives and changes keys until `over`."""

    def __init__(self, sock, peer, quick):
        self.sock, self.peer, self.quick = sock, peer, quick
        self.initiator = peer is not None
        self.key, self.key_at, self.asked_at, self.keys = 0, 0.0, 0.0, 0
        self.sent = self.got = self.rejected = 0
        self.said_at, self.heard_at, self.gap = 0.0, None, 0.0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _say(self, what, body=b""):
        self.said_at = time.monotonic()
        try:
            self.sock.sendto(HEAD.pack(what, self.key, self.sent) + body, self.peer)
        except OSError:
            pass  # nobody listens yet

    def _rekey(self, now):
        old = not self.key or now - self.key_at > REKEY_SECONDS[self.quick]
        if self.initiator and old and now - self.asked_at > RETRY_SECONDS[self.quick]:
            self.asked_at = now
            self.sock.sendto(HEAD.pack(HANDSHAKE, self.keys + 1, 0), self.peer)

    def _usable(self, now):
        return self.key and now - self.key_at < REJECT_SECONDS[self.quick]

    def _take(self, packet, source, now):
        what, key, _ = HEAD.unpack_from(packet)
        if what == HANDSHAKE:
            self.peer = source  # it roams
            self.key, self.key_at, self.keys = key, now, self.keys + 1
            self._say(ANSWER)
        elif what == ANSWER and key == self.keys + 1:
            self.key, self.key_at, self.keys = key, now, key
        elif what == DATA and self._usable(now) and abs(key - self.key) <= 1 and len(packet) == HEAD.size + SIZE:
            self.got += 1
            self.gap = max(self.gap, now - (self.heard_at or now))
            self.heard_at = now
        elif what == DATA:
            self.rejected += 1

    def _run(self):
        due = time.monotonic()
        while not self.over.is_set():
            now = time.monotonic()
            if now >= due:
                due = max(due + EVERY_SECONDS, now)
                self._rekey(now)
                if self.peer and self._usable(now):
                    self.sent += 1
                    self._say(DATA, bytes(SIZE))
                elif self.peer and self.key and now - self.said_at > KEEPALIVE_SECONDS:
                    self._say(KEEPALIVE)
            self.sock.settimeout(max(0.001, due - time.monotonic()))
            try:
                packet, source = self.sock.recvfrom(2048)
            except (TimeoutError, ConnectionRefusedError):
                continue
            self._take(packet, source, time.monotonic())

    def end(self):
        self.over.set()
        self.thread.join()
        self.sock.close()


def tunnel(trial):
    """A tunnel of UDP lives for minutes while its gateways map anew in turn: no key is missed, hardly a packet lost."""
    homes = [trial.home("port"), trial.home("addr")]
    left, right = (home.machine for home in homes)
    near = trial.peer(left, "left", "forward", options=("--keep", "--udp", "-L", f"{PORT}:localhost:{PORT}"))
    trial.peer(right, "right", "forward", options=("--keep", "--udp", "--allow", f"localhost:{PORT}"))
    near.expect_event("forward", 15, state="granted")
    far_socket = right.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far_socket.bind(("127.0.0.1", PORT))
    ends = [End(left.socket(socket.AF_INET, socket.SOCK_DGRAM), ("127.0.0.1", PORT), trial.quick),
            End(far_socket, None, trial.quick)]
    begun, rebound = time.monotonic(), 0
    while (now := time.monotonic() - begun) < LAST_SECONDS[trial.quick]:
        last = LAST_SECONDS[trial.quick] - 2 * GAP_SECONDS / (3 if trial.quick else 1)
        if (rebound + 1) * REBIND_SECONDS[trial.quick] < min(now, last):
            homes[rebound % 2].restart_gateway()
            rebound += 1
        time.sleep(0.1)
    for end in ends:
        end.end()
    lost = max(1 - b.got / max(a.sent, 1) for a, b in (ends, ends[::-1]))
    gap = max(end.gap for end in ends)
    wanted = LAST_SECONDS[trial.quick] // (REKEY_SECONDS[trial.quick] + RETRY_SECONDS[trial.quick])
    note = (f"{ends[1].got} and {ends[0].got} packets, {100 * lost:.1f} % lost at worst, {ends[0].keys} keys, "
            f"{rebound} new mappings, {gap:.1f} s the longest silence")
    if lost > LOST_SHARE[trial.quick] or gap > GAP_SECONDS or ends[0].keys < wanted or not rebound:
        raise Unmet(note)
    return Outcome(near.path(), None, note=note)


SCENARIOS = [Scenario("forward/tunnel", tunnel, patient=True, quick=True)]
