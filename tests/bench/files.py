"""files.py - files through `send` and `receive`: a folder of many beside one file, one file beside `scp`.

A figure is the seconds from the sender's start to its end: the receiver stands ready (as sshd does) and has met nobody
yet, so that meeting, connecting, hashing and the receipt are all in it. What arrived is compared afterwards.
"""

import contextlib
import filecmp
import os
import subprocess
import sys
import tempfile
import time

import report
import ssh
from tools import ROOT, BenchError, broker, quiet_environment

sys.path.append(os.path.join(ROOT, "tests", "lab"))
from topology import Lab, Wire  # noqa: E402  (the laboratory is a folder beside this one)

SECONDS = 300  # after which a transfer has failed
BLOCK = 1 << 20
MB = 1_000_000
MEMORY = "/dev/shm"
LOSSY = Wire(delay_ms=20, loss_percent=1)  # of one of the two homes: 40 ms there and back, 1 % each way


class Here:
    """This machine, where a machine of the laboratory could be."""

    @staticmethod
    def start(argv, **options):
        return subprocess.Popen(list(map(str, argv)), **options)


def write_file(path, size):
    """So many random bytes: a generator would be found by a hash as easily as by us."""
    block = os.urandom(BLOCK)
    with open(path, "wb") as file:
        for at in range(0, size, BLOCK):
            file.write(at.to_bytes(8, "big") + block[8 : min(BLOCK, size - at)])
    return path


def write_folder(path, count, size):
    os.makedirs(path)
    block = os.urandom(size)
    for number in range(count):
        with open(os.path.join(path, f"{number:05}"), "wb") as file:
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


def differing(source, target):
    """The names that are not the same in both; nothing else is looked at."""
    if not os.path.isdir(source):
        return [] if os.path.exists(target) and filecmp.cmp(source, target, shallow=False) else [target]
    names = os.listdir(source)
    _, differ, missing = filecmp.cmpfiles(source, target, names, shallow=False)
    return differ + missing


class Ours:
    """`receive` on the one machine, `send` on the other."""

    name = "ours"

    def __init__(self, program, folder, broker, sender=Here, receiver=Here):
        self.program = program
        self.folder = folder
        self.broker = broker
        self.sender = sender
        self.receiver = receiver
        self.turn = 0

    def command(self, verb):
        room = f"bench-files-{os.getpid()}-{self.turn}"
        return [self.program, verb, "--json", "--room", room, "--broker", self.broker, "--stun", "none"]

    def transfer(self, source, into):
        self.turn += 1
        options = {"env": quiet_environment(self.folder), "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        log = os.path.join(self.folder, "receive.err")
        with open(log, "wb") as errors:
            receiver = self.receiver.start([*self.command("receive"), "--yes", into], stderr=errors, **options)
        wait_for_room(log, receiver)
        began = time.monotonic()
        sender = self.sender.start([*self.command("send"), source], stderr=subprocess.PIPE, text=True, **options)
        seconds = await_end(sender, began)
        await_end(receiver, began)
        return seconds


class Scp:
    """The same by scp, to a sshd on the other machine. `control` is how TCP meets loss, None: the system's way."""

    def __init__(self, server, home, control=None):
        self.name = f"scp, {control or system_control()}"
        self.server = server
        self.home = home
        self.control = control

    def transfer(self, source, into):
        route = f"route replace default via {self.home.subnet[1]}"
        self.home.machine.ip(f"{route} congctl {self.control}" if self.control else route)
        command = [ssh.need("scp"), *self.server.options, "-q", "-r", "-P", self.server.port]
        options = {"stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True}
        began = time.monotonic()
        sender = self.home.machine.start([*command, source, f"{self.server.login}:{into}/"], **options)
        return await_end(sender, began)


def system_control():
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as file:
        return file.read().strip()


def wait_for_room(log, child):
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and child.poll() is None:
        with open(log, encoding="utf-8") as file:
            if '"room"' in file.read():
                return
        time.sleep(0.01)
    raise BenchError("the receiver of the bench did not reach the broker")


def await_end(child, began):
    """Seconds since then, once it has ended well."""
    try:
        _, errors = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    seconds = time.monotonic() - began
    if child.returncode != 0:
        raise BenchError(f"a transfer ended with {child.returncode}: {(errors or '').strip()[-300:]}")
    return seconds


def run(entrant, source, folder):
    """One transfer into a new folder; its seconds. What arrived stays until the bench ends: ext4 looks for five seconds
    past every file that was deleted before it makes a new one, which would count as ours."""
    into = tempfile.mkdtemp(dir=folder)
    seconds = entrant.transfer(source, into)
    differ = differing(source, os.path.join(into, os.path.basename(source)))
    if differ:
        raise BenchError(f"{entrant.name}: {len(differ)} files are not the same, {differ[0]} is one of them")
    return seconds


def measure_folder(entrant, folder, rounds, count, size):
    """{name: [seconds of each round]}: the folder and the file in turns."""
    sources = {
        "folder": write_folder(os.path.join(folder, "many"), count, size),
        "file": write_file(os.path.join(folder, "one"), count * size),
    }
    found = {name: [] for name in sources}
    for _ in range(rounds):
        for name, source in sources.items():
            found[name].append(run(entrant, source, folder))
    return found


def measure_scp(ours, rivals, folder, rounds, size):
    """{entrant: [seconds of each round]}"""
    source = write_file(os.path.join(folder, "one"), size)
    found = {entrant.name: [] for entrant in (ours, *rivals)}
    for _ in range(rounds):
        for entrant in (ours, *rivals):
            found[entrant.name].append(run(entrant, source, folder))
    return found


@contextlib.contextmanager
def between(bench, folder, wire=None):
    """Ours and its rivals, between two homes that are on the internet itself, the one by this wire: scp as the system's
    TCP meets loss, and with CUBIC where that is something else."""
    bench.laboratory()
    with Lab(build=bench.build) as lab:
        sender, receiver = lab.home("open", wire=wire), lab.home("open")
        with ssh.server(folder, receiver.machine) as server:
            controls = [None] if not wire or system_control() == "cubic" else [None, "cubic"]
            ours = Ours(bench.ours, folder, lab.servers.broker, sender.machine, receiver.machine)
            yield ours, [Scp(server, sender, control) for control in controls]


# ---- the parts of the bench ----


def rows_of(found, size):
    for name, seconds in found.items():
        spread = report.spread(seconds)
        times = f"{spread['min']:.2f}-{spread['max']:.2f}"
        yield [name, report.number(spread["median"], 2), times, report.number(size / MB / spread["median"], 1)]


def part_folder(bench):
    if not bench.ours:
        return
    rounds, count, size = (3, 2000, 100_000) if bench.quick else (5, 10_000, 100_000)
    with broker(bench.folder) as address, tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        found = measure_folder(Ours(bench.ours, folder, address), folder, rounds, count, size)
    title = f"{count} files of {size // 1000} kB beside one of as many bytes, send and receive over loopback"
    report.print_table(title, ["", "s", "", "MB/s"], rows_of(found, count * size))
    spreads = {name: report.spread(seconds) for name, seconds in found.items()}
    bench.target("folder: its time / one file's", report.ratio(spreads["folder"], spreads["file"]), "at most", 1.3)
    bench.results["folder"] = spreads


def part_scp(bench):
    if not bench.ours:
        return
    near, far = (300 * MB, 4 * MB) if bench.quick else (1000 * MB, 10 * MB)
    runs = {"undelayed": (None, near, 1.0), "40 ms, 1 % loss": (LOSSY, far, 0.75)}
    bench.results["scp"] = {}
    for line, (wire, size, least) in runs.items():
        # in memory: scp leaves the disk to the kernel, and receive waits for it
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="p2pconnect-bench-") as folder:
            with between(bench, folder, wire) as (ours, rivals):
                found = measure_scp(ours, rivals, folder, 3 if bench.quick or wire else 5, size)
        report.print_table(f"A file of {size // MB} MB beside scp, {line}", ["", "s", "", "MB/s"], rows_of(found, size))
        spreads = {name: report.spread(seconds) for name, seconds in found.items()}
        for rival in rivals:
            ratio = report.ratio(spreads[rival.name], spreads[ours.name])
            bench.target(f"{line}: speed of {ours.name} / {rival.name}", ratio, "at least", least)
        bench.results["scp"][line] = spreads
