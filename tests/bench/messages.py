"""messages.py - how many messages of a chat's size pass in a second: through the library, and through `chat` itself.

"library" is messages.c on the public header, each message a write and two reads of its own. "chat" is the command with
a file of lines at its input and a pipe at its output; "chat --json" says each as an event, too.
"""

import hashlib
import json
import os
import subprocess
import time

import report
from tools import BenchError, broker, quiet_environment

BYTES = 60  # of a line, without its end
SECONDS = 120


def line(number):
    return f"{number:09} words that somebody types into a chat, not many".ljust(BYTES).encode() + b"\n"


def room(name, turn):
    return f"bench-messages-{os.getpid()}-{name.replace(' ', '')}-{turn}"


def end(*children):
    for child in children:
        try:
            child.communicate(timeout=SECONDS)
        finally:
            child.kill()
        if child.returncode != 0:
            raise BenchError(f"{child.args[0]} ended with {child.returncode}")


class Library:
    """Two of the bench's own programs."""

    name = "library"

    def __init__(self, program, folder, address):
        self.program = program
        self.env = quiet_environment(folder)
        self.address = address

    def run(self, count, turn):
        words = [self.address, room(self.name, turn), str(count), str(BYTES)]
        options = {"env": self.env, "stdin": subprocess.DEVNULL, "text": True}
        receiver = subprocess.Popen([self.program, "receive", *words], stdout=subprocess.PIPE, **options)
        sender = subprocess.Popen([self.program, "send", *words], **options)
        told = receiver.stdout.readline()
        end(sender, receiver)
        found = json.loads(told)
        if found["messages"] != count:
            raise BenchError(f"{found['messages']} of {count} messages arrived")
        return count / found["seconds"]


class Chat:
    """The command, from its first line at the other side to its last."""

    def __init__(self, program, folder, address, *more):
        self.name = " ".join(["chat", *more])
        self.folder = folder
        self.env = quiet_environment(folder)
        self.command = [program, "chat", "--broker", address, "--stun", "none", *more]

    def lines(self, count):
        """The file with so many, and the hash of what the other side must put out."""
        path, wanted = os.path.join(self.folder, "lines"), hashlib.sha256()
        with open(path, "wb") as file:
            for number in range(count):
                file.write(line(number))
                wanted.update(b"sender: " + line(number))
        return path, wanted.hexdigest()

    def run(self, count, turn):
        path, wanted = self.lines(count)
        command = [*self.command, "--room", room(self.name, turn), "--name"]
        with open(path, "rb") as lines, open(os.path.join(self.folder, "chat.err"), "wb") as errors:
            options = {"env": self.env, "stderr": errors}
            receiver = subprocess.Popen(
                [*command, "receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options
            )
            sender = subprocess.Popen([*command, "sender"], stdin=lines, stdout=subprocess.DEVNULL, **options)
            seconds, got = hear(receiver.stdout, count * len(b"sender: " + line(0)))
            end(sender, receiver)
        if got != wanted:
            raise BenchError("chat: what was put out is not what was said")
        return count / seconds


def hear(stream, size):
    """Reads so many bytes; the seconds from the first to the last, and their hash."""
    hashed, began, have = hashlib.sha256(), None, 0
    while have < size and (data := os.read(stream.fileno(), 1 << 16)):
        began = began or time.monotonic()
        hashed.update(data)
        have += len(data)
    return time.monotonic() - (began or 0), hashed.hexdigest()


def part(bench):
    if not bench.ours:
        return
    rounds, count = (3, 200_000) if bench.quick else (5, 1_000_000)
    with broker(bench.folder) as address:
        chats = [Chat(bench.ours, bench.folder, address, *more) for more in ((), ("--json",))]
        entrants = [Library(bench.program("messages"), bench.folder, address), *chats]
        found = {entrant.name: [] for entrant in entrants}
        for turn in range(rounds):
            for entrant in entrants:
                found[entrant.name].append(entrant.run(count, turn))
    spreads = {name: report.spread(rates) for name, rates in found.items()}
    rows = [[name, *(report.number(s[key] / 1000, 0) for key in ("median", "min", "max"))] for name, s in spreads.items()]
    report.print_table(f"Messages of {BYTES} bytes over one stream (thousands a second)", ["", "median", "min", "max"], rows)
    for name, spread in spreads.items():
        bench.target(f"messages, {name}: a second", spread["median"], "at least", 100_000)
    bench.results["messages"] = spreads
