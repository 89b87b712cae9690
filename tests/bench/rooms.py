"""rooms.py - what a room of many costs: peers that are connected each with each, and hundreds that are merely there.

Connected are real `chat`s. Merely there is `crowd`, one process of many real nodes, and beside it one real command,
which is measured, and newcomers. A mosquitto_sub counts what is published in the room.
"""

import json
import os
import signal
import subprocess
import threading
import time

from process import memory_of
from tools import BenchError, json_lines, quiet_environment

MESH_SECONDS = 120  # for 64 programs to start and to connect on two cores
IDLE_SECONDS = 20
JOINS = 5
JOIN_SECONDS = 10
STARTS = 50  # members of the crowd a second


class Watch:
    """Every message of the broker, with its type, sender and receiver."""

    def __init__(self, address):
        port = address.rpartition(":")[2]
        self.seen = []  # (topic's end, message)
        self.child = subprocess.Popen(
            ["mosquitto_sub", "-p", port, "-t", "p2pconnect/#", "-F", "%t %x"], stdout=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        time.sleep(0.3)  # its subscription is not announced

    def _read(self):
        said = set()
        for line in self.child.stdout:
            topic, _, data = line.strip().partition(" ")
            try:
                message = json.loads(bytes.fromhex(data))
            except ValueError:
                message = {"type": "packet"}  # under relay/
            message["again"] = line in said
            said.add(line)
            self.seen.append((topic.split("/", 3)[3], message))

    def types(self, since):
        """{type: how many} of those after the first `since`; what was said before, byte for byte, has a type of its own."""
        found = {}
        for _, message in self.seen[since:]:
            kind = message["type"] + " again" * message["again"]
            found[kind] = found.get(kind, 0) + 1
        return found

    def close(self):
        self.child.terminate()
        self.child.wait()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Command:
    """One p2pconnect in the room, with its events in a file."""

    def __init__(self, bench, address, room, name, *words):
        self.log = os.path.join(bench.folder, f"{name}.err")
        argv = [bench.ours, *words, "--json", "--room", room, "--broker", address, "--stun", "none", "--name", name]
        self.started = time.monotonic()
        with open(self.log, "wb") as errors:
            self.child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=quiet_environment(bench.folder),
            )

    def connections(self):
        """The milliseconds after the command's start at which each came about."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return [event["t_ms"] for event in json_lines(log.read()) if event.get("event") == "connected"]

    def interrupt(self):
        self.child.send_signal(signal.SIGINT)

    def end(self, seconds=5):
        self.child.stdin.close()
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def wait_until(condition, seconds, complaint):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise BenchError(complaint)
        time.sleep(0.1)


def measure_connected(bench, address, count):
    """{"mesh_s", "rss_kb", "own_kb", "cpu_join_s", "cpu_idle", "join", "leave", "types"} of so many chats; sums are a peer's or a pair's."""
    watch, room = Watch(address), f"bench-connected-{count}-{os.getpid()}"
    words = ("chat", "--max-peers", str(max(count, 8)), "--wait", "0")
    peers = [Command(bench, address, room, f"peer {n}", *words) for n in range(count)]
    pairs = count * (count - 1) / 2
    try:
        wait_until(
            lambda: all(len(peer.connections()) >= count - 1 for peer in peers),
            MESH_SECONDS,
            f"{count} peers were not connected each with each within {MESH_SECONDS} s",
        )
        complete = max(peer.started + max(peer.connections()) / 1000 for peer in peers)
        found = {"mesh_s": complete - peers[-1].started}
        time.sleep(2)  # candidates and a hello may still be said
        found["join"], found["types"] = len(watch.seen) / pairs, watch.types(0)
        memory = [memory_of(peer.child.pid) for peer in peers]
        found["rss_kb"] = max(each["VmHWM"] for each in memory)
        found["own_kb"] = max(each["RssAnon"] for each in memory)
        found["cpu_join_s"] = sum(cpu_seconds(peer.child.pid) for peer in peers) / count
        before, begun = sum(cpu_seconds(peer.child.pid) for peer in peers), time.monotonic()
        time.sleep(IDLE_SECONDS / 2)
        spent = sum(cpu_seconds(peer.child.pid) for peer in peers) - before
        found["cpu_idle"] = 100 * spent / count / (time.monotonic() - begun)
        since = len(watch.seen)
        for peer in peers:
            peer.interrupt()
        for peer in peers:
            peer.end()
        time.sleep(0.5)
        found["leave"] = len(watch.seen[since:]) / pairs
    finally:
        for peer in peers:
            peer.end(0)
        watch.close()
    return found


def measure_join(bench, address, room, watch, number):
    """(milliseconds from a pipe's start to its connection, messages to and from it)"""
    since = len(watch.seen)
    newcomer = Command(bench, address, room, f"newcomer {number}", "pipe", "--wait", str(JOIN_SECONDS))
    try:
        wait_until(newcomer.connections, JOIN_SECONDS, "a newcomer met nobody")
        took = newcomer.connections()[0]
        time.sleep(3)
    finally:
        newcomer.interrupt()
        newcomer.end()
    time.sleep(0.5)
    with open(newcomer.log, encoding="utf-8", errors="replace") as log:
        own = next(event["id"] for event in json_lines(log.read()) if event["event"] == "room")
    return took, sum(own in topic or message.get("from") == own for topic, message in watch.seen[since:])


def measure_present(bench, address, count):
    """{"rss_kb", "own_kb", "cpu", "hellos_s", "join_ms", "join_messages"}: one real `echo --keep` among so many, and
    pipes that come."""
    room = f"bench-present-{count}-{os.getpid()}"
    crowd = subprocess.Popen(
        [os.path.join(bench.build, "bench", "crowd"), address, room, str(count - 1), str(STARTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    watch = None
    try:
        if crowd.stdout.readline() != "ready\n":
            raise BenchError("the crowd did not come together")
        measured = Command(bench, address, room, "measured", "echo", "--keep", "--wait", "0")
        time.sleep(3)
        watch = Watch(address)
        before, begun = cpu_seconds(measured.child.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        seconds = time.monotonic() - begun
        memory = memory_of(measured.child.pid)
        found = {
            "rss_kb": memory["VmHWM"],
            "own_kb": memory["RssAnon"],
            "cpu": 100 * (cpu_seconds(measured.child.pid) - before) / seconds,
            "hellos_s": watch.types(0).get("hello", 0) / seconds,
        }
        joins = [measure_join(bench, address, room, watch, number) for number in range(JOINS)]
        found["join_ms"] = [took for took, _ in joins]
        found["join_messages"] = [messages for _, messages in joins]
        measured.interrupt()
        measured.end()
    finally:
        crowd.stdin.close()
        crowd.wait()
        if watch:
            watch.close()
    return found
