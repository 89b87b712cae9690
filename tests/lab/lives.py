"""lives.py - what happens to a connection after it came about: idleness, death, a lost broker, a restarted router."""

import hashlib
import time

from peers import Unmet
from servers import Servers
from trial import Outcome, Scenario

SILENCE_SECONDS = 60  # of the idle pipe
LONG_SILENCE_SECONDS = 600  # of the one for the patient
MAPPING_SECONDS = 20  # of its NATs
LOST_SECONDS = 15  # promised until `closed` `lost`
AGAIN_SECONDS = 3  # promised from the return of the other on
OUTAGE_SECONDS = 20  # of the broker
CHUNK = 64 * 1024


def pipes(trial, left, right, **options):
    """Two connected pipes that stay open, after a line each way."""
    peers = [trial.peer(machine, name, "pipe", **options) for machine, name in ((left, "left"), (right, "right"))]
    for peer in peers:
        peer.send(f"{peer.name}\n".encode())
    for peer, other in (peers, peers[::-1]):
        peer.expect_output(f"{other.name}\n".encode(), 15)
        peer.expect_event("connected", 2)
    return peers


def finish(peers):
    for peer in peers:
        peer.finish()
    for peer in peers:
        peer.expect_exit(0, 10)


def idle(seconds, trial):
    """After so long without a byte the next one flows at once, each way, through NATs that forget after 20 s."""
    homes = [trial.home("port", seconds=MAPPING_SECONDS) for _ in range(2)]
    peers = pipes(trial, homes[0].machine, homes[1].machine)
    time.sleep(seconds)
    slowest = 0
    for peer, other in (peers, peers[::-1]):
        before = other.output
        start = time.monotonic()
        peer.send(b"still there?\n")
        other.expect_output(before + b"still there?\n", 5)
        slowest = max(slowest, time.monotonic() - start)
    if slowest > 0.5:
        raise Unmet(f"the first byte after the silence took {slowest:.2f} s")
    kind = peers[0].path()
    finish(peers)
    return Outcome(kind, slowest)


class Chat:
    """Some peers who chat, each on a machine of its own."""

    def __init__(self, trial, **options):
        self.trial = trial
        self.options = options
        self.peers = {}
        self.number = 0

    def join(self, name, machine):
        """A peer with that name, new or once more. What it says is heard once it is connected."""
        self.peers[name] = self.trial.peer(machine, name, "chat", wait=0, **self.options)
        return self.peers[name]

    def say(self, name, seconds):
        """Everybody else must hear it within this time."""
        self.number += 1
        text = f"{name} says {self.number}"
        start = time.monotonic()
        self.peers[name].send(f"{text}\n".encode())
        for other, peer in self.peers.items():
            if other != name:
                left = max(0.0, start + seconds - time.monotonic())
                peer.expect_event("message", left, after=start, text=text)
        return time.monotonic() - start

    def connected(self, seconds, after):
        for peer in self.peers.values():
            peer.expect_event("connected", seconds, after=after)


def kill_9(trial):
    """One of two dies without a word: the other notices, and they talk again soon after its return."""
    homes = [trial.home("port") for _ in range(2)]
    chat = Chat(trial)
    left, right = (chat.join(name, home.machine) for name, home in zip(("left", "right"), homes))
    chat.connected(15, after=left.started)
    chat.say("left", 5)
    chat.say("right", 5)
    died = time.monotonic()
    right.kill()
    lost = left.expect_event("closed", LOST_SECONDS, after=died, reason="lost")
    right = chat.join("right", homes[1].machine)
    chat.connected(AGAIN_SECONDS, after=right.started)
    for name in chat.peers:
        chat.say(name, right.started + AGAIN_SECONDS - time.monotonic())
    again = time.monotonic() - right.started
    return Outcome(left.path(), again, note=f"lost after {lost['at'] - died:.1f} s, again after {again:.2f} s")


def transfer(sender, receiver, seconds, meanwhile):
    """Sends for so long, at some 2 MB/s, while `meanwhile(time)` is called; every byte must arrive."""
    sent, size = hashlib.sha256(), 0
    already = receiver.output_size
    digest = receiver.output_hash.copy()
    start = time.monotonic()
    while (now := time.monotonic() - start) < seconds:
        data = f"{size:016x}".encode() * (CHUNK // 16)
        sender.send(data)
        digest.update(data)
        size += len(data)
        meanwhile(now)
        time.sleep(0.03)
    receiver.until(lambda: receiver.output_size >= already + size, 30)
    got = receiver.output_size - already
    if got != size or receiver.output_hash.digest() != digest.digest():
        raise Unmet(f"{size} bytes were sent, {got} arrived, {'the same' if got == size else 'fewer'}")
    return size


class Outage:
    """Kills the broker at once and starts it again after its time."""

    def __init__(self, servers):
        self.servers = servers
        self.down = self.back = None

    def __call__(self, now):
        if self.down is None and now > 2:
            self.servers.kill_broker()
            self.down = now
        elif self.down is not None and self.back is None and now > self.down + OUTAGE_SECONDS:
            self.servers.start_broker()
            self.back = time.monotonic()


def broker_killed(trial):
    """20 s without the broker in mid-transfer cost no byte; afterwards a newcomer meets those who stayed."""
    servers = Servers(trial.lab)
    trial.stack.callback(servers.close)
    homes = [trial.home("port") for _ in range(3)]
    machines = [home.machine for home in homes]
    chat = Chat(trial, servers=servers, room=f"{trial.room}-chat")
    for name, machine in zip(("ada", "bert"), machines):
        chat.join(name, machine)
    chat.connected(15, after=0)
    peers = pipes(trial, machines[0], machines[1], servers=servers)
    outage = Outage(servers)
    size = transfer(peers[0], peers[1], OUTAGE_SECONDS + 6, outage)
    finish(peers)
    chat.say("ada", 2)
    newcomer = chat.join("carl", machines[2])
    for _ in range(2):
        newcomer.until(lambda: sum(e["event"] == "connected" for e in list(newcomer.events)) == 2, 40)
    for name in chat.peers:
        chat.say(name, 5)
    again = time.monotonic() - outage.back
    return Outcome(peers[0].path(), None, note=f"{size >> 20} MB whole; the room works {again:.1f} s after the broker")


def rebind(new_ports, trial):
    """A router restarts in mid-transfer: the bytes go on, on the same mapping or on a new one."""
    homes = [trial.home("port"), trial.home("full")]
    peers = pipes(trial, homes[0].machine, homes[1].machine)
    restarted = []

    def meanwhile(now):
        if now > 2 and not restarted:
            homes[0].restart_gateway(new_ports)
            restarted.append(now)

    size = transfer(peers[0], peers[1], 8, meanwhile)
    kind = peers[0].path()
    finish(peers)
    return Outcome(kind, None, note=f"{size >> 20} MB whole")


def glare(trial):
    """Ten times both start at once, and each time one connection comes of it."""
    homes = [trial.home("port") for _ in range(2)]
    slowest = 0
    for number in range(10):
        peers = pipes(trial, homes[0].machine, homes[1].machine, room=f"{trial.room}-{number}")
        seconds = max(peer.first_byte - peers[1].started for peer in peers)
        slowest = max(slowest, seconds)
        kind = peers[0].path()
        finish(peers)
    if slowest > trial.limit:
        raise Unmet(f"the slowest of ten took {slowest:.2f} s, {trial.limit} s are promised")
    return Outcome(kind, slowest, note="the slowest of ten")


SCENARIOS = [
    Scenario("life/idle", lambda trial: idle(SILENCE_SECONDS, trial), patient=True),
    Scenario("life/idle-long", lambda trial: idle(LONG_SILENCE_SECONDS, trial), patient=True),
    Scenario("life/broker-killed", broker_killed, patient=True),
    Scenario("life/kill-9", kill_9, patient=True),
    Scenario("life/rebind-same-ports", lambda trial: rebind(False, trial), patient=True),
    Scenario("life/rebind-new-ports", lambda trial: rebind(True, trial), patient=True),
    Scenario("life/glare", glare),
]
