"""files.py - send and receive over every kind of path: what arrives is what was sent, also after 100 kills.

A full run has a file of 5 GB and a folder of 20,000 (8 MB each by way of the broker), and 100 kills; a quick one small ones.

What a kill costs is counted at the sender: bytes of leaves that it sent in all runs, minus the size. A sender that was
killed cannot tell; then its interface's counter does, less what a run that was not killed needed beside its leaves.
"""

import functools
import os
import shutil
import subprocess
import time

import brokers
import relays
from peers import Unmet
from trial import Outcome, Scenario, Skip

KINDS = ("host", "lan", "direct", "turn", "broker")
LARGE = {True: 6_000_003, False: 5_000_000_001}  # quick: bytes
MANY = {True: 150, False: 20_000}  # files
BROKER_SIZE = 8_000_000  # of a full run, and a tenth of it in the folder
BROKER_RATE = "2M"  # the broker is the lab's own
SECONDS = {True: 90, False: 1200}  # for one transfer
BLOCK = 1 << 24
MEBIBYTE = 1 << 20
SHORT_MS = 4  # longer round trips have more on their way, see peer/cli/credit.h
CREDIT_MOST = 16 << 20
KILLS = {True: 4, False: 100}
KILLED_SIZE = 40_000_003
END_SECONDS = 40  # until the one who is left has noticed
EARLY_SHARE = 0.15  # of the kills come before anything has arrived


def write_random(path, size, rng):
    """As quick as can be, and never the same twice: a block of noise, moved on by one byte a time."""
    block = rng.randbytes(BLOCK) * 2
    with open(path, "wb") as file:
        for number in range(-(-size // BLOCK)):
            file.write(block[number : number + min(BLOCK, size - number * BLOCK)])


def write_folder(path, count, size, rng):
    for number in range(count):
        folder = os.path.join(path, f"{number % 40}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"file {number}"), "wb") as file:
            file.write(rng.randbytes(rng.randrange(2 * size // count)))


def places(trial, kind):
    """Two machines between which this kind of path is the best, and what peers are told."""
    if kind in ("host", "lan"):
        home = trial.home("port")
        return (home.machine, home.machine if kind == "host" else home.add_machine()), {"paths": "host,lan,direct"}
    if kind == "direct":
        return [trial.home("port").machine for _ in range(2)], {"paths": "host,lan,direct"}
    machines = [trial.home("symr").machine for _ in range(2)] if kind == "turn" else [
        trial.home("tcponly").machine for _ in range(2)]
    if kind == "turn":
        turn = relays.server(trial)
        told = relays.through(turn, turn.udp)
        return machines, {"paths": relays.WITHOUT_DIRECT, **told}
    return machines, {"paths": brokers.ALL, "options": ["--broker-relay", BROKER_RATE]}


def pair(trial, machines, told, sources, target, room=None):
    """A receiver and a sender, started in the trial's order."""
    options = told.get("options", [])
    told = {key: value for key, value in told.items() if key != "options"}

    def start(name):
        more = ["--yes", target] if name == "receiver" else sources
        command, machine = ("receive", machines[1]) if name == "receiver" else ("send", machines[0])
        return trial.peer(machine, name, command, room=room, options=[*options, *more], **told)

    names = ("sender", "receiver") if trial.order == "left" else ("receiver", "sender")
    peers = {name: start(name) for name in names}
    return peers["sender"], peers["receiver"]


def scratch(trial):
    folder = os.path.join(os.path.abspath(trial.logs), "files")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    trial.stack.callback(shutil.rmtree, folder, True)
    return folder


def compare(one, two):
    done = subprocess.run(["diff", "-rq", one, two], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unmet(f"not the same: {(done.stdout + done.stderr)[:300]}")


def over(kind, trial):
    """A large file and a folder of many arrive identical."""
    folder = scratch(trial)
    size, count = LARGE[trial.quick], MANY[trial.quick]
    if kind == "broker":
        size = size // 3 if trial.quick else BROKER_SIZE
    source, target = os.path.join(folder, "source"), os.path.join(folder, "target")
    os.makedirs(os.path.join(source, "many"))
    write_random(os.path.join(source, "large"), size, trial.rng)
    write_folder(os.path.join(source, "many"), count, size // 10, trial.rng)
    machines, told = places(trial, kind)
    begun = time.monotonic()
    sender, receiver = pair(trial, machines, told, [os.path.join(source, name) for name in ("large", "many")], target)
    for peer in (sender, receiver):
        peer.expect_exit(0, SECONDS[trial.quick])
    seconds = time.monotonic() - begun
    if {sender.path(), receiver.path()} != {kind}:
        raise Unmet(f"the path is {sender.path()} and {receiver.path()}, not {kind}")
    compare(source, target)
    moved = sender.last("transfer")["moved"]
    return Outcome(kind, seconds, [0, 0], note=f"{moved / 1e6:.0f} MB, {count + 1} files, {moved / seconds / 1e6:.0f} MB/s")


# ---- killed ----


def unfinished(target):
    """Bytes that are on the disk there."""
    found = [os.path.join(base, name) for base, _, names in os.walk(target) for name in names]
    total = 0
    for path in found:
        try:
            total += os.stat(path).st_blocks * 512
        except FileNotFoundError:
            pass  # it has just got its name
    return total


def sent_by(machine):
    out = machine.run(["cat", "/proc/net/dev"]).stdout
    for line in out.splitlines():
        name, _, fields = line.partition(":")
        if name.strip() == "eth0":
            return int(fields.split()[8])
    raise Unmet("no counter of the interface")


class Killing:
    """One file that is sent, killed and sent on."""

    def __init__(self, trial, machines, told, folder, target):
        self.trial, self.machines, self.told = trial, machines, told
        self.source, self.target = os.path.join(folder, "source", "file"), target
        self.size = os.path.getsize(self.source)
        self.kills, self.again, self.by_wire, self.twice = 0, [], [], []
        self.overhead = 1.0

    def _run(self):
        room = f"{self.trial.room}-{self.trial.rng.randrange(1 << 40):x}"
        return pair(self.trial, self.machines, self.told, [self.source], self.target, room)

    def _moment(self, receiver, there):
        """Waits for a random moment of what is left."""
        rng = self.trial.rng
        if rng.random() < EARLY_SHARE:
            time.sleep(rng.uniform(0, 0.3))  # anywhere between the start and the first leaves
            return
        wanted = rng.uniform(there, self.size)
        limit = time.monotonic() + SECONDS[True]
        while unfinished(self.target) < wanted and receiver.process.poll() is None:
            if time.monotonic() > limit:
                raise Unmet(f"nothing moves{receiver.last_words()}")
            time.sleep(0.0005)

    def kill(self, victim):
        """One run that is killed. False: it was through before."""
        before, wire = self.held(), sent_by(self.machines[0])
        sender, receiver = self._run()
        self._moment(receiver, before)
        dying, other = (sender, receiver) if victim == "sender" else (receiver, sender)
        through = dying.process.poll() is not None
        dying.kill()
        if other.wait(END_SECONDS) is None:
            other.process.terminate()
            other.wait(10)
        self.close(sender, receiver)
        if through or os.path.exists(os.path.join(self.target, "file")):
            return False
        gained = self.held() - before
        told = other.last("transfer")
        if victim == "receiver":
            self.again.append((told["moved"] if told else 0) - gained)
        else:
            self.by_wire.append((sent_by(self.machines[0]) - wire) / self.overhead - gained)
            self.twice.append((told["moved"] if told else 0) - gained)
        self.kills += 1
        return True

    def held(self):
        """What a run that goes on from here need not send again: the leaves that are the source's."""
        parts = [name for name in os.listdir(self.target) if name.endswith(".part")]
        if not parts:
            return 0
        held = 0
        with open(self.source, "rb") as one, open(os.path.join(self.target, parts[0]), "rb") as two:
            while leaf := one.read(131072):
                held += len(leaf) * (leaf == two.read(131072))
        return held

    def finish(self):
        """The run that is not killed."""
        before, wire = self.held(), sent_by(self.machines[0])
        sender, receiver = self._run()
        for peer in (sender, receiver):
            peer.expect_exit(0, SECONDS[True])
        told = sender.last("transfer")
        self.close(sender, receiver)
        compare(self.source, os.path.join(self.target, "file"))
        if told["moved"] != self.size - before:
            raise Unmet(f"{told['moved']} bytes were sent, {self.size - before} were missing")
        if told["moved"] > MEBIBYTE:
            self.overhead = (sent_by(self.machines[0]) - wire) / told["moved"]
        os.unlink(os.path.join(self.target, "file"))

    def close(self, *peers):
        for peer in peers:
            peer.close()
            self.trial.peers.remove(peer)


def slow_disk(trial, folder):
    """A file system that is written through to the disk at once: slower than the network."""
    image, target = os.path.join(folder, "disk"), os.path.join(folder, "target")
    os.makedirs(target)
    with open(image, "wb") as file:
        file.truncate(3 * KILLED_SIZE)
    made = subprocess.run(["mkfs.ext4", "-q", image], capture_output=True, check=False)
    if made.returncode or subprocess.run(["mount", "-o", "loop,sync", image, target], capture_output=True, check=False).returncode:
        raise Skip("no disk of its own can be mounted here")
    trial.stack.callback(subprocess.run, ["umount", "-l", target], check=False)
    shutil.rmtree(os.path.join(target, "lost+found"))
    return target


def killed(disk, trial):
    """Killed at random moments, either side, and sent on: identical, and at most 1 MiB again for each."""
    folder = scratch(trial)
    os.makedirs(os.path.join(folder, "source"))
    target = slow_disk(trial, folder) if disk == "slow" else os.path.join(folder, "target")
    os.makedirs(target, exist_ok=True)
    write_random(os.path.join(folder, "source", "file"), KILLED_SIZE, trial.rng)
    machines, told = places(trial, "direct")
    killing = Killing(trial, machines, told, folder, target)
    killing.finish()
    files, wanted = 1, KILLS[trial.quick]
    while killing.kills < wanted:
        victims = [trial.rng.choice(("sender", "receiver")) for _ in range(trial.rng.choice((1, 1, 2, 3)))]
        if all(killing.kill(victim) for victim in victims[: wanted - killing.kills]):
            killing.finish()
        elif os.path.exists(os.path.join(target, "file")):
            compare(killing.source, os.path.join(target, "file"))
            os.unlink(os.path.join(target, "file"))
        files += 1
    worst = {"again": max(killing.again, default=0), "by the wire": max(killing.by_wire, default=0),
             "taken twice": max(killing.twice, default=0)}
    note = f"{killing.kills} kills, {files} times identical; at most " + ", ".join(
        f"{value / 1024:.0f} KiB {what}" for what, value in worst.items())
    most = MEBIBYTE if 4 * trial.lab.home_ms <= SHORT_MS else CREDIT_MOST
    if worst["again"] > most or worst["taken twice"] > MEBIBYTE or worst["by the wire"] > 1.5 * most:
        raise Unmet(note)
    return Outcome("direct", None, note=note)


SCENARIOS = [
    *(Scenario(f"files/{kind}", functools.partial(over, kind), quick=True) for kind in KINDS),
    Scenario("files/killed", functools.partial(killed, "quick"), patient=True, quick=True),
    Scenario("files/killed-slow-disk", functools.partial(killed, "slow"), patient=True, quick=True),
]
